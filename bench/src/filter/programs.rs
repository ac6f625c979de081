//! Programs that the benchmarks of the filter run.

use anyhow::Context;
use std::path::PathBuf;

/// An Envoy and the filter.
#[derive(clap::Args)]
pub(crate) struct Programs {
    /// Envoy.
    #[arg(long, value_name = "PATH")]
    pub(crate) envoy: PathBuf,
    /// The filter (`hopscope_filter.wasm`).
    #[arg(long, value_name = "PATH")]
    module: PathBuf,
}

impl Programs {
    /// Absolute path of the filter.
    pub(crate) fn module(&self) -> anyhow::Result<PathBuf> {
        let module = self.module.canonicalize();
        module.with_context(|| format!("failed to find the filter at {}", self.module.display()))
    }
}
