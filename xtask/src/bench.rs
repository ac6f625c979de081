//! `cargo xtask bench filter | memory | outage | collector`: builds for release what is measured and what measures, then becomes the latter.

use crate::module;
use crate::process;
use crate::progress::{remark, step};
use crate::tools::{envoy, otelcol};
use crate::workspace;
use clap::Subcommand;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// What telemetry costs an Envoy: none, Envoy's own gRPC access log, the filter. Needs valgrind.
    Filter {
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
        /// A minute or two instead of many: to see that everything works.
        #[arg(long)]
        quick: bool,
    },
    /// What the filter takes of memory: per worker, and after a million requests.
    Memory {
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// A collector that is killed under load, away for a minute, and back.
    Outage {
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// What the collector can take.
    Collector {
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Measures.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut bench = Command::new(workspace::release_binary("hopscope-bench"));
    let json = match arguments.subject {
        Subject::Filter { json, quick } => {
            let (envoy, module) = (envoy::install(envoy::NEWEST)?, module::build()?);
            bench.arg("filter").arg("--envoy").arg(envoy).arg("--module").arg(module);
            if quick {
                bench.arg("--quick");
            }
            build(&["hopscope-bench"])?;
            json
        }
        Subject::Memory { json } => {
            let (envoy, module) = (envoy::install(envoy::NEWEST)?, module::build()?);
            bench.arg("memory").arg("--envoy").arg(envoy).arg("--module").arg(module);
            build(&["hopscope-bench"])?;
            json
        }
        Subject::Outage { json } => {
            let (envoy, module) = (envoy::install(envoy::NEWEST)?, module::build()?);
            bench.arg("outage").arg("--envoy").arg(envoy).arg("--module").arg(module);
            bench.arg("--collector").arg(workspace::release_binary("hopscope"));
            build(&["hopscope-bench", "hopscope"])?;
            json
        }
        Subject::Collector { json } => {
            bench.arg("collector").arg("--collector").arg(workspace::release_binary("hopscope"));
            match otelcol::install() {
                Ok(peer) => {
                    bench.arg("--peer").arg(peer);
                }
                // The other runs say enough without it.
                Err(error) => remark(&format!("no OpenTelemetry Collector to compare with: {error:#}")),
            }
            build(&["hopscope-bench", "hopscope"])?;
            json
        }
    };
    if json {
        bench.arg("--json");
    }
    // It takes this process's place, so that Ctrl-C and the exit code are its own.
    Err(anyhow::Error::new(bench.exec()).context("failed to start hopscope-bench"))
}

fn build(packages: &[&str]) -> anyhow::Result<()> {
    step(&format!("building {} for release", packages.join(" and ")), || {
        let mut command = workspace::cargo(["build", "--quiet", "--release"]);
        for package in packages {
            command.args(["--package", package]);
        }
        process::run(&mut command)
    })
}
