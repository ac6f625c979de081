//! `hopscope-bench`: the cost of the collector and of the filter.
//!
//! In: the programs to measure, built for release. Out: figures on standard error, with `--json`
//! one JSON object on standard output.
//! Invariant: a measured program is a process of its own, and its cost is the kernel's account of
//! that process or a count of its instructions; a record that was sent and is not counted is an
//! error.

mod kernel;
mod callgrind;
mod output;
mod collector;
mod filter;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Measures the cost of Hopscope.
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// Cost of a collector under load.
    Collector(collector::Arguments),
    /// Cost of telemetry in an Envoy: none, Envoy's own gRPC access log, the filter.
    Filter(filter::Arguments),
    /// Memory of the filter: the first worker, each further worker, and after many requests.
    Memory(filter::memory::Arguments),
    /// Accounting of all requests over an outage of the collector.
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
