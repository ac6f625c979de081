//! `hopscope-bench filter`: the cost of telemetry in an Envoy.
//!
//! In: an Envoy and the filter's module. Out: for each [`Arm`](arm::Arm) instructions, processor
//! time and latency per request, bytes on the wire, memory.
//! Invariant: one Envoy with one worker per arm, the same requests, in turns; load, origin and sink
//! run in this process, which is part of no figure.

mod programs;
mod bootstrap;
mod arm;
mod origin;
mod load;
mod sink;
mod proxy;
mod instructions;
mod rounds;
mod figures;
pub(crate) mod memory;
pub(crate) mod outage;

use bootstrap::Environment;
use figures::Effort;
use hopscope_mesh::progress::step;
use origin::Origin;
use programs::Programs;
use sink::Sink;
use std::io::Write;

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    programs: Programs,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// One or two minutes instead of many, with less precise figures.
    #[arg(long)]
    quick: bool,
}

/// Measures all arms.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    crate::callgrind::available()?;
    let (envoy, module) = (&arguments.programs.envoy, arguments.programs.module()?);
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let origin = Origin::start().await?;
    step(&format!("{} rounds at {} requests/s, arms in turns", effort.rounds, rounds::RATE));
    let rounds = rounds::measure(envoy, &module, origin.address(), effort).await?;
    step("counting instructions (callgrind)");
    let sink = Sink::start().await?;
    let environment = Environment {
        module: &module,
        limits: None,
        workers: 1,
        origin: origin.address(),
        sink: sink.address(),
    };
    let counts = instructions::count(envoy, environment, effort).await?;
    let rows = figures::rows(&counts, &rounds);
    let _ = write!(std::io::stderr(), "{}", figures::table(&rows));
    if arguments.json {
        let text = serde_json::to_string_pretty(&figures::Figures { arms: &rows })?;
        let _ = writeln!(std::io::stdout(), "{text}");
    }
    Ok(())
}
