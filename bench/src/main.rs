//! `hopscope-bench`: what the collector and the filter cost.
//!
//! In: the programs to measure, built for release. Out: a table on standard error, and one JSON object on standard output
//! where it is asked for. Always holds: what is measured is a process of its own, and its cost is what the kernel, or a
//! count of its instructions, says of that process; every record that was sent is found again, or it is an error.

mod kernel;
mod collector;
mod filter;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Measures what Hopscope costs.
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// Load on a real collector, and what it costs.
    Collector(collector::Arguments),
    /// What telemetry costs an Envoy: none, Envoy's own gRPC access log, the filter.
    Filter(filter::Arguments),
    /// What the filter takes of memory: the first worker, each further one, and after many requests.
    Memory(filter::memory::Arguments),
    /// A collector that is killed under load, away, and back: what of the requests is where.
    Outage(filter::outage::Arguments),
}

fn main() -> ExitCode {
    match measure(&Arguments::parse().subject) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hopscope-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(subject: &Subject) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match subject {
        Subject::Collector(arguments) => runtime.block_on(collector::measure(arguments)),
        Subject::Filter(arguments) => runtime.block_on(filter::measure(arguments)),
        Subject::Memory(arguments) => runtime.block_on(filter::memory::measure(arguments)),
        Subject::Outage(arguments) => runtime.block_on(filter::outage::measure(arguments)),
    }
}
