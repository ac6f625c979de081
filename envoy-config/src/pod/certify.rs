//! A certificate authority for one run, and a certificate of a server.
//!
//! In: a folder and the server's names. Out: `root-cert.pem`, `NAME-cert.pem`, `NAME-key.pem` in it.
//! Always: the authority's key is forgotten.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::certificates::Authority;

/// For whom.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to.
    #[arg(long)]
    folder: PathBuf,
    /// How the files are called.
    #[arg(long)]
    name: String,
    /// What the certificate is for: a DNS name or a URI.
    #[arg(long = "for", value_name = "NAME")]
    subject: String,
}

/// Makes them.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let authority = Authority::establish(&arguments.folder, "hopscope.example")?;
    authority.issue(&arguments.folder, &arguments.name, &arguments.subject)?;
    Ok(ExitCode::SUCCESS)
}
