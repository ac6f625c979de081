//! `hopscope-bench memory`: what the filter takes of memory.
//!
//! In: an Envoy and the filter's module. Out: resident memory over the bare Envoy for the first worker, for each further
//! one, and after many requests. Always holds: a figure is the difference of two Envoys that saw the same requests; every
//! worker has served some, since V8 compiles what is hot only then.

use super::arm::Arm;
use super::bootstrap::Surroundings;
use super::load;
use super::origin::Origin;
use super::proxy::Proxy;
use super::sink::Sink;
use anyhow::Context;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// Worker threads of the Envoy with more than one.
const WORKERS: u32 = 4;
/// Connections per worker: the kernel spreads them, so that none is likely to go without.
const CONNECTIONS_PER_WORKER: u64 = 8;
/// Requests before the first look.
const FEW: u64 = 10_000;

/// What to measure with.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Envoy.
    #[arg(long, value_name = "PATH")]
    envoy: PathBuf,
    /// The filter (`hopscope_filter.wasm`).
    #[arg(long, value_name = "PATH")]
    module: PathBuf,
    /// Requests before the last look.
    #[arg(long, default_value = "1000000", value_name = "N", value_parser = clap::value_parser!(u64).range(20_000..=100_000_000))]
    requests: u64,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// The names are the units; all over the bare Envoy, but for the last two.
#[derive(Debug, Serialize)]
struct Answer {
    first_worker_bytes: i64,
    each_further_worker_bytes: i64,
    requests_few: u64,
    requests_many: u64,
    /// All of Envoy with the filter and one worker, after few requests.
    after_few_bytes: u64,
    /// The same after many.
    after_many_bytes: u64,
}

/// Measures.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let module = arguments.module.canonicalize().context("failed to find the filter")?;
    let (origin, sink) = (Origin::start().await?, Sink::start().await?);
    let mut over_bare = Vec::new();
    let mut after = (0, 0);
    for workers in [1, WORKERS] {
        let mut memory = Vec::new();
        for arm in [Arm::Bare, Arm::HopscopeAll] {
            tell(&format!("{workers} workers, {}", arm.name()));
            let around = Surroundings {
                module: &module,
                limits: None,
                workers,
                origin: origin.address(),
                sink: sink.address(),
            };
            let proxy =
                Proxy::start(&arguments.envoy, &[arm], around, |envoy, _| Command::new(envoy)).await?;
            let listener = proxy.listener(arm).await?;
            load::send_at_once(listener, FEW, CONNECTIONS_PER_WORKER * u64::from(workers)).await?;
            let few = proxy.memory_bytes()?;
            memory.push(i64::try_from(few)?);
            if arm == Arm::HopscopeAll && workers == 1 {
                tell(&format!("{} requests", arguments.requests));
                load::send_at_once(listener, arguments.requests - FEW, CONNECTIONS_PER_WORKER).await?;
                after = (few, proxy.memory_bytes()?);
            }
        }
        let [bare, with] = memory[..] else { continue };
        over_bare.push(with - bare);
    }
    let [first, all] = over_bare[..] else { anyhow::bail!("two Envoys were to be compared") };
    let answer = Answer {
        first_worker_bytes: first,
        each_further_worker_bytes: (all - first) / i64::from(WORKERS - 1),
        requests_few: FEW,
        requests_many: arguments.requests,
        after_few_bytes: after.0,
        after_many_bytes: after.1,
    };
    let text = serde_json::to_string_pretty(&answer)?;
    if arguments.json {
        let _ = writeln!(std::io::stdout(), "{text}");
    } else {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    Ok(())
}

fn tell(step: &str) {
    let _ = writeln!(std::io::stderr(), "▸ {step}");
}
