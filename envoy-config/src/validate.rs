//! `hopscope-mesh validate`: every bootstrap before Envoy's own judgement.
//!
//! In: an Envoy, perhaps the filter's module. Out: a line for each workload, and whether all are right.
//! Always: all are judged, also after one was rejected.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::mesh;
use crate::progress;

/// What to judge.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The Envoy that judges.
    #[arg(long, value_name = "PATH", env = "HOPSCOPE_ENVOY")]
    envoy: PathBuf,
    /// The filter's module (`hopscope_filter.wasm`); without it the bootstraps are judged without the filter,
    /// because Envoy loads the module even to judge.
    #[arg(long, value_name = "PATH", env = "HOPSCOPE_MODULE")]
    module: Option<PathBuf>,
}

/// Judges all bootstraps.
///
/// # Errors
/// When they cannot be rendered.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut rejected = false;
    for (workload, judgement) in mesh::validate(&arguments.envoy, arguments.module)? {
        match judgement {
            Ok(()) => progress::done(&format!("{workload}: Envoy accepts the bootstrap")),
            Err(error) => {
                rejected = true;
                progress::failed(&error.context(workload));
            }
        }
    }
    Ok(if rejected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
