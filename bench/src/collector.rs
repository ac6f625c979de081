//! `hopscope-bench collector`: load on a real collector, and what it costs.
//!
//! In: the binary `hopscope`. Out: one row per run: what it was given, the processor time and memory that it took. Always
//! holds: the collector is a process of its own, and its cost is what the kernel says of that process; what it counted
//! is compared with what it acknowledged, and a difference is an error.

mod random;
mod mesh;
mod template;
mod call;
mod load;
mod process;
mod row;
mod run;
mod scrape;
mod otlp;
mod peer;

use run::RUNS;
use std::io::Write;
use std::path::PathBuf;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The binary `hopscope`, built for release.
    #[arg(long, value_name = "PATH")]
    collector: PathBuf,
    /// Seconds of load in each run, after a warm-up of one round.
    #[arg(long, default_value = "10", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The OpenTelemetry Collector with `signal_to_metrics`, to be measured beside; without it that run is left out, and
    /// says so.
    #[arg(long, value_name = "PATH")]
    peer: Option<PathBuf>,
    /// Only these runs.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(names()))]
    runs: Vec<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

fn names() -> Vec<&'static str> {
    RUNS.iter().map(|run| run.name).chain([peer::NAME]).collect()
}

/// Measures every run that is wanted.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let wanted = |name: &str| arguments.runs.is_empty() || arguments.runs.iter().any(|it| it == name);
    for run in RUNS.iter().filter(|run| wanted(run.name)) {
        tell(&format!("▸ {}: {}", run.name, run.what));
        let row = run::measure(run, &arguments.collector, arguments.seconds).await?;
        tell(&format!("  {row}"));
        rows.push(row);
    }
    if wanted(peer::NAME) {
        tell(&format!("▸ {}: 2,000 edges, batches of 256, through the OpenTelemetry Collector", peer::NAME));
        match &arguments.peer {
            Some(binary) => {
                let row = peer::measure(binary, arguments.seconds).await?;
                tell(&format!("  {row}"));
                rows.push(row);
            }
            None => tell("  left out: there is no such binary (--peer)"),
        }
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({"runs": rows}))?;
        let _ = writeln!(std::io::stdout(), "{text}");
    }
    Ok(())
}

fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
