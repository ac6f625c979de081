//! `hopscope-mesh validate`: Envoy's own validation of every bootstrap.
//!
//! In: an Envoy, perhaps the filter's module. Out: a line for each workload, and whether all are
//! valid.
//! Invariant: all bootstraps are validated, also after one is rejected.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::mesh;
use crate::progress;

/// Arguments of the command.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The Envoy that validates.
    #[arg(long, value_name = "PATH", env = "HOPSCOPE_ENVOY")]
    envoy: PathBuf,
    /// The filter's module (`hopscope_filter.wasm`); without it the bootstraps have no filter,
    /// because Envoy loads the module to validate.
    #[arg(long, value_name = "PATH", env = "HOPSCOPE_MODULE")]
    module: Option<PathBuf>,
}

/// Validates all bootstraps.
///
/// # Errors
/// When the bootstraps cannot be rendered.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut rejected = false;
    for (workload, result) in mesh::validate(&arguments.envoy, arguments.module)? {
        match result {
            Ok(()) => progress::done(&format!("{workload}: Envoy accepts the bootstrap")),
            Err(error) => {
                rejected = true;
                progress::failed(&error.context(workload));
            }
        }
    }
    Ok(if rejected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
