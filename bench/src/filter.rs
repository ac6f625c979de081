//! `hopscope-bench filter`: what telemetry costs an Envoy.
//!
//! In: an Envoy and the filter's module. Out: for each [`Arm`](arm::Arm) instructions, processor time and latency per
//! request, bytes on the wire, memory. Always holds: one Envoy with one worker per arm, the same requests, in turns; what
//! drives it (load, origin, sink) lives in this process and is in none of the figures.

mod bootstrap;
mod arm;
mod origin;
mod load;
mod sink;
mod proxy;
mod callgrind;
mod rounds;
mod figures;
pub(crate) mod memory;
pub(crate) mod outage;

use anyhow::Context;
use bootstrap::Surroundings;
use figures::Effort;
use origin::Origin;
use sink::Sink;
use std::io::Write;
use std::path::PathBuf;

/// What to measure with.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Envoy.
    #[arg(long, value_name = "PATH")]
    envoy: PathBuf,
    /// The filter (`hopscope_filter.wasm`).
    #[arg(long, value_name = "PATH")]
    module: PathBuf,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// A minute or two instead of many: to see that everything works.
    #[arg(long)]
    quick: bool,
}

/// Measures all arms.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    callgrind::available()?;
    let module = arguments
        .module
        .canonicalize()
        .with_context(|| format!("failed to find the filter at {}", arguments.module.display()))?;
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let origin = Origin::start().await?;
    tell(&format!("{} rounds at {} requests/s, arms in turns", effort.rounds, rounds::RATE));
    let rounds = rounds::measure(&arguments.envoy, &module, origin.address(), effort).await?;
    tell("counting instructions (callgrind)");
    let sink = Sink::start().await?;
    let around = Surroundings {
        module: &module,
        limits: None,
        workers: 1,
        origin: origin.address(),
        sink: sink.address(),
    };
    let counts = callgrind::count(&arguments.envoy, around, effort).await?;
    let rows = figures::rows(&counts, &rounds);
    let _ = write!(std::io::stderr(), "{}", figures::table(&rows));
    if arguments.json {
        let text = serde_json::to_string_pretty(&figures::Answer { arms: &rows })?;
        let _ = writeln!(std::io::stdout(), "{text}");
    }
    Ok(())
}

fn tell(step: &str) {
    let _ = writeln!(std::io::stderr(), "▸ {step}");
}
