//! `cargo xtask bench filter | memory | outage | collector`: builds the measured program and
//! `hopscope-bench` for release, then replaces itself by `hopscope-bench`.

use crate::module;
use crate::process;
use crate::progress::{remark, step};
use crate::tools::{envoy, otelcol};
use crate::workspace;
use clap::Subcommand;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The subject of a measurement.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// The cost of telemetry in Envoy: none, Envoy's own gRPC access log, the filter. Needs
    /// valgrind.
    Filter {
        /// Print one JSON object on standard output.
        #[arg(long)]
        json: bool,
        /// Run a minute or two instead of many: a smoke test of the benchmark.
        #[arg(long)]
        quick: bool,
    },
    /// The memory of the filter: per worker, and after a million requests.
    Memory {
        /// Print one JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// A collector that is killed under load, absent for a minute, and started again.
    Outage {
        /// Print one JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// The throughput and the memory of the collector.
    Collector {
        /// Print one JSON object on standard output.
        #[arg(long)]
        json: bool,
        /// Options of `hopscope-bench collector`: --runs, --seconds, --rounds, --baseline.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<String>,
    },
}

/// Runs a benchmark.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut bench = Command::new(workspace::release_binary("hopscope-bench"));
    let json = match &arguments.subject {
        Subject::Filter { json, quick } => {
            let (envoy, module) = (envoy::install(envoy::NEWEST)?, module::build()?);
            bench.arg("filter").arg("--envoy").arg(envoy).arg("--module").arg(module);
            if *quick {
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
        Subject::Collector { json, options } => {
            bench.arg("collector").arg("--collector").arg(workspace::release_binary("hopscope"));
            match otelcol::install() {
                Ok(peer) => {
                    bench.arg("--peer").arg(peer);
                }
                // The comparison is optional: the other runs are complete without it.
                Err(error) => remark(&format!("no OpenTelemetry Collector to compare with: {error:#}")),
            }
            bench.args(options);
            build(&["hopscope-bench", "hopscope"])?;
            json
        }
    };
    if *json {
        bench.arg("--json");
    }
    // The benchmark replaces this process, so that Ctrl-C and the exit code are its own.
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
