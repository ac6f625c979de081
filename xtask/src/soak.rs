//! `cargo xtask soak hostile`: every attack of `tests/hostile` on a release build of the collector.

use crate::process;
use crate::progress::step;
use crate::workspace;
use clap::Subcommand;
use std::os::unix::process::CommandExt;

/// The subject of a soak.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// Hostile and clumsy clients beside a good one: latency, refusals, memory, `/healthz`.
    Hostile {
        /// Print one JSON object on standard output.
        #[arg(long)]
        json: bool,
        /// Run only the attacks whose name contains this.
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// Runs a soak.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Subject::Hostile { json, name } = &arguments.subject;
    step("building hopscope for release", || {
        process::run(&mut workspace::cargo(["build", "--quiet", "--release", "--package", "hopscope"]))
    })?;
    let test = ["test", "--quiet", "--release", "--package", "hopscope-tests", "--test", "hostile", "--"];
    let mut command = workspace::cargo(test);
    command.env("HOPSCOPE_COLLECTOR", workspace::release_binary("hopscope"));
    command.arg("--all").args(json.then_some("--json")).args(name);
    // The run replaces this process, so that Ctrl-C, the answer and the exit code are its own.
    Err(anyhow::Error::new(command.exec()).context("failed to start cargo"))
}
