//! `hopscope-bench`: load on a real collector, and what it costs.
//!
//! In: the binary `hopscope`. Out: one row per run: what it was given, the processor time and memory that it took. Always
//! holds: the collector is a process of its own, and its cost is what the kernel says of that process; what it counted
//! is compared with what it acknowledged, and a difference is an error.

mod random;
mod mesh;
mod template;
mod load;
mod process;
mod run;

use clap::Parser;
use run::{RUNS, Run};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures what a collector can take.
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Arguments {
    /// The binary `hopscope`, built for release.
    #[arg(long, value_name = "PATH")]
    collector: PathBuf,
    /// Seconds of load in each run, after a warm-up of one round.
    #[arg(long, default_value = "10", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only these runs.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(RUNS.map(|run| run.name)))]
    runs: Vec<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hopscope-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut rows = Vec::new();
    let wanted = |run: &&Run| arguments.runs.is_empty() || arguments.runs.iter().any(|name| name == run.name);
    for run in RUNS.iter().filter(wanted) {
        let _ = writeln!(std::io::stderr(), "▸ {}: {}", run.name, run.what);
        let row = runtime.block_on(run::measure(run, &arguments.collector, arguments.seconds))?;
        let _ = writeln!(std::io::stderr(), "  {row}");
        rows.push(row);
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({"runs": rows}))?;
        let _ = writeln!(std::io::stdout(), "{text}");
    }
    Ok(())
}
