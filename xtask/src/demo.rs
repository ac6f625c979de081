//! `cargo xtask demo`: builds the programs, then replaces itself by the local mesh.

use crate::module;
use crate::process;
use crate::progress::step;
use crate::tools::envoy;
use crate::workspace;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Options of the demo.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stop after this many seconds of traffic; without it, run until Ctrl-C.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Print one JSON object on standard output at the end: edges, proxies, faults.
    #[arg(long)]
    json: bool,
}

/// Runs the demo on real Envoys.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let envoy = envoy::install(envoy::NEWEST)?;
    let module = module::build()?;
    step("building the collector and the local mesh", || {
        let packages = ["build", "--quiet", "--package", "hopscope", "--package", "hopscope-mesh"];
        process::run(&mut workspace::cargo(packages))
    })?;
    let mut mesh = Command::new(workspace::binary("hopscope-mesh"));
    mesh.arg("demo").arg("--envoy").arg(envoy).arg("--module").arg(module);
    mesh.arg("--collector").arg(workspace::binary("hopscope"));
    if let Some(seconds) = arguments.seconds {
        mesh.arg("--seconds").arg(seconds.to_string());
    }
    if arguments.json {
        mesh.arg("--json");
    }
    // The mesh replaces this process, so that Ctrl-C and the exit code are its own.
    Err(anyhow::Error::new(mesh.exec()).context("failed to start the local mesh"))
}
