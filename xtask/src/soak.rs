//! `cargo xtask soak hostile | kills | simulation | verdicts | fuzz`: tests that take minutes, of which
//! `cargo xtask test` has a short form.

use crate::process;
use crate::progress::{done, step};
use crate::test;
use crate::workspace;
use clap::Subcommand;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Fuzz targets: folder of their package, and name.
const FUZZ_TARGETS: [(&str, &str); 5] = [
    ("collector", "batch"),
    ("collector", "access_log"),
    ("collector", "config"),
    ("filter", "vm"),
    ("filter", "config"),
];

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
    /// Kills of the collector at random moments: nothing acknowledged is lost, and no counter falls.
    Kills {
        /// Number of kills.
        #[arg(default_value_t = 200)]
        kills: u32,
    },
    /// Filters and a collector on virtual time under random faults.
    Simulation {
        /// Number of seeds.
        #[arg(default_value_t = 10_000)]
        seeds: u64,
    },
    /// Verdicts of hops between real Envoys, compared with what the applications saw.
    Verdicts {
        /// Number of requests.
        #[arg(default_value_t = 50_000)]
        requests: u64,
    },
    /// Every fuzz target in turn. Needs cargo-fuzz and a nightly compiler.
    Fuzz {
        /// Seconds for each target.
        #[arg(default_value_t = 600)]
        seconds: u64,
    },
}

/// Runs a soak.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.subject {
        Subject::Hostile { json, name } => hostile(*json, name.as_deref()),
        Subject::Kills { kills } => {
            let test = ["test", "--package", "hopscope", "--test", "journal", "kill"];
            let mut command = workspace::cargo(test);
            counted("kills", command.env("HOPSCOPE_KILLS", kills.to_string()))
        }
        Subject::Simulation { seeds } => {
            let test = ["test", "--package", "hopscope-tests", "--test", "simulation", "simulation"];
            let mut command = workspace::cargo(test);
            counted("simulation", command.env("HOPSCOPE_SIMULATION_SEEDS", seeds.to_string()))
        }
        Subject::Verdicts { requests } => {
            test::whole_mesh(Some("verdicts"), &[("HOPSCOPE_VERDICTS_REQUESTS", requests.to_string())])
        }
        Subject::Fuzz { seconds } => fuzz(*seconds),
    }
}

fn hostile(json: bool, name: Option<&str>) -> anyhow::Result<()> {
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

/// Runs tests, of which at least one has to run.
fn counted(name: &str, command: &mut Command) -> anyhow::Result<()> {
    step(name, || test::counted(command))?;
    done("the soak passed");
    Ok(())
}

fn fuzz(seconds: u64) -> anyhow::Result<()> {
    for (folder, target) in FUZZ_TARGETS {
        step(&format!("fuzzing {folder}: {target}"), || {
            let mut command = Command::new("cargo");
            command.current_dir(workspace::root().join(folder));
            command.args(["+nightly", "fuzz", "run", target, "--"]);
            process::run(command.arg(format!("-max_total_time={seconds}")).arg("-rss_limit_mb=1024"))
        })?;
    }
    done("no target found a defect");
    Ok(())
}
