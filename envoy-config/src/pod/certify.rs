//! A certificate authority for one run, and a server certificate.
//!
//! In: a folder and the server's names. Out: `root-cert.pem`, `NAME-cert.pem`, `NAME-key.pem` in
//! it.
//! Invariant: the authority's key is not stored.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::certificates::Authority;

/// Arguments of the program.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of the files.
    #[arg(long)]
    folder: PathBuf,
    /// Prefix of the file names.
    #[arg(long)]
    name: String,
    /// Subject of the certificate: a DNS name or a URI.
    #[arg(long = "for", value_name = "NAME")]
    subject: String,
}

/// Creates the files.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let authority = Authority::establish(&arguments.folder, "hopscope.example")?;
    authority.issue(&arguments.folder, &arguments.name, &arguments.subject)?;
    Ok(ExitCode::SUCCESS)
}
