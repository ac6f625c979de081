//! `hopscope-bench memory`: memory of the filter.
//!
//! In: an Envoy and the filter's module. Out: resident memory over the bare Envoy for the first
//! worker, for each further worker, and after many requests.
//! Invariant: a figure is the difference of two Envoys with the same requests; every worker has
//! served some, because V8 compiles hot code only then.

use super::arm::Arm;
use super::bootstrap::Environment;
use super::load;
use super::origin::Origin;
use super::programs::Programs;
use super::proxy::Proxy;
use super::sink::Sink;
use crate::output;
use hopscope_mesh::progress::step;
use serde::Serialize;
use std::process::Command;

/// Worker threads of the Envoy with more than one.
const WORKERS: u32 = 4;
/// Connections per worker: the kernel distributes them, and with 8 each worker most likely gets
/// one.
const CONNECTIONS_PER_WORKER: u64 = 8;
/// Requests before the first reading.
const FEW: u64 = 10_000;

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    programs: Programs,
    /// Requests before the last reading.
    #[arg(long, default_value = "1000000", value_name = "N", value_parser = clap::value_parser!(u64).range(20_000..=100_000_000))]
    requests: u64,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Memory over the bare Envoy, but for the last two, which are of the whole Envoy.
#[derive(Debug, Serialize)]
struct Figures {
    first_worker_bytes: i64,
    each_further_worker_bytes: i64,
    requests_few: u64,
    requests_many: u64,
    /// Envoy with the filter and one worker, after few requests.
    after_few_bytes: u64,
    /// Envoy with the filter and one worker, after many requests.
    after_many_bytes: u64,
}

/// Measures the memory.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let (envoy, module) = (&arguments.programs.envoy, arguments.programs.module()?);
    let (origin, sink) = (Origin::start().await?, Sink::start().await?);
    let mut over_bare = Vec::new();
    let mut after = (0, 0);
    for workers in [1, WORKERS] {
        let mut memory = Vec::new();
        for arm in [Arm::Bare, Arm::HopscopeAll] {
            step(&format!("{workers} workers, {}", arm.name()));
            let environment = Environment {
                module: &module,
                limits: None,
                workers,
                origin: origin.address(),
                sink: sink.address(),
            };
            let proxy = Proxy::start(envoy, &[arm], environment, |envoy, _| Command::new(envoy)).await?;
            let listener = proxy.listener(arm).await?;
            load::send_at_once(listener, FEW, CONNECTIONS_PER_WORKER * u64::from(workers)).await?;
            let few = proxy.memory_bytes()?;
            memory.push(i64::try_from(few)?);
            if arm == Arm::HopscopeAll && workers == 1 {
                step(&format!("{} requests", arguments.requests));
                load::send_at_once(listener, arguments.requests - FEW, CONNECTIONS_PER_WORKER).await?;
                after = (few, proxy.memory_bytes()?);
            }
        }
        let [bare, with] = memory[..] else { continue };
        over_bare.push(with - bare);
    }
    let [first, all] = over_bare[..] else { anyhow::bail!("two Envoys are missing") };
    let figures = Figures {
        first_worker_bytes: first,
        each_further_worker_bytes: (all - first) / i64::from(WORKERS - 1),
        requests_few: FEW,
        requests_many: arguments.requests,
        after_few_bytes: after.0,
        after_many_bytes: after.1,
    };
    output::figures(&figures, arguments.json)
}
