//! `hopscope-bench collector`: the cost of a collector under load.
//!
//! In: the binary `hopscope`, and perhaps a second one to compare with. Out: one row of figures per
//! run.
//! Invariant: a collector is a process of its own and its cost is the kernel's account of that
//! process; its count is compared with the acknowledged records, and a difference is an error.

mod zipf;
mod mesh;
mod template;
mod call;
mod load;
mod names;
mod process;
mod row;
mod compare;
mod scrape;
mod prepared;
mod throughput;
mod instructions;
mod readers;
mod run;
mod otlp;
mod peer;

use crate::output;
use hopscope_mesh::progress::{remark, step};
use row::Row;
use run::{RUNS, Run};
use std::path::{Path, PathBuf};

/// Rounds where two binaries are compared.
const COMPARED_ROUNDS: u64 = 3;

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The binary `hopscope`, built for release.
    #[arg(long, value_name = "PATH")]
    collector: PathBuf,
    /// A second binary `hopscope` to compare with: each run measures both in turn.
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    /// How often each run is measured; a figure is the median. [default: 1, with --baseline 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: Option<u64>,
    /// Seconds of load in each run, after a warm-up of one round.
    #[arg(long, default_value = "10", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// An OpenTelemetry Collector with `signal_to_metrics` for the run `peer_otelcol`; without it
    /// that run is left out.
    #[arg(long, value_name = "PATH")]
    peer: Option<PathBuf>,
    /// Only these runs.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(names()))]
    runs: Vec<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Figures of all runs.
#[derive(Default, serde::Serialize)]
struct Figures {
    runs: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    baseline: Vec<Row>,
    /// Figures of the collector divided by those of the baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ratios: Vec<Row>,
}

fn names() -> Vec<&'static str> {
    RUNS.iter().map(|run| run.name).chain([peer::NAME]).collect()
}

/// Measures the chosen runs.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut figures = Figures::default();
    let chosen = |name: &str| arguments.runs.is_empty() || arguments.runs.iter().any(|it| it == name);
    for run in RUNS.iter().filter(|run| chosen(run.name)) {
        step(&format!("{}: {}", run.name, run.description));
        figures.measure(run, arguments).await?;
    }
    if chosen(peer::NAME) {
        step(&format!("{}: 2,000 edges, batches of 256, through the OpenTelemetry Collector", peer::NAME));
        match &arguments.peer {
            Some(binary) => {
                let row = peer::measure(binary, arguments.seconds).await?;
                remark(&row.to_string());
                figures.runs.push(row);
            }
            None => remark("left out: no binary is given (--peer)"),
        }
    }
    if arguments.json {
        output::figures(&figures, true)?;
    }
    Ok(())
}

impl Figures {
    /// Measures all rounds of one run; with a baseline, both binaries in turn.
    async fn measure(&mut self, run: &Run, arguments: &Arguments) -> anyhow::Result<()> {
        let Arguments { collector, baseline, seconds, .. } = arguments;
        let rounds = arguments.rounds.unwrap_or(if baseline.is_some() { COMPARED_ROUNDS } else { 1 });
        let (mut rows, mut baseline_rows) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            rows.push(once(run, "collector", collector, *seconds).await?);
            if let Some(baseline) = baseline {
                baseline_rows.push(once(run, "baseline", baseline, *seconds).await?);
            }
        }
        let (row, reference) = (compare::median(&rows), compare::median(&baseline_rows));
        if let (Some(row), Some(reference)) = (&row, &reference) {
            compare::table(row, reference).iter().for_each(|line| remark(line));
            self.ratios.push(compare::ratio(row, reference));
        }
        self.runs.extend(row);
        self.baseline.extend(reference);
        Ok(())
    }
}

async fn once(run: &Run, label: &str, binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    let row = run::measure(run, binary, seconds).await?;
    remark(&format!("{label}: {row}"));
    Ok(row)
}
