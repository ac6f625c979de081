//! `hopscope-bench outage`: a collector that is killed under load, away for long, and back.
//!
//! In: an Envoy, the filter's module, the binary `hopscope`. Out: where every request is in the end, and the most memory
//! that Envoy took. Always holds: a request that fails, or that is in no count in the end, is an error; the collector keeps
//! its books on disk, so that it knows what it had acknowledged before.

use super::arm::Arm;
use super::bootstrap::Surroundings;
use super::load;
use super::origin::Origin;
use super::proxy::Proxy;
use anyhow::{Context, ensure};
use hopscope_mesh::collector::{Collector, CollectorPlace, LedgerRow};
use hopscope_mesh::eventually::eventually;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Time under load before the collector goes, and after it is back.
const AROUND: Duration = Duration::from_secs(5);
/// The longest pause of a filter, and some reports.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(500);

/// What to measure with.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Envoy.
    #[arg(long, value_name = "PATH")]
    envoy: PathBuf,
    /// The filter (`hopscope_filter.wasm`).
    #[arg(long, value_name = "PATH")]
    module: PathBuf,
    /// The binary `hopscope`.
    #[arg(long, value_name = "PATH")]
    collector: PathBuf,
    /// How long the collector is away.
    #[arg(long, default_value = "60", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Requests a second.
    #[arg(long, default_value = "2000", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// `limits.buffer_bytes_max` of the filter.
    #[arg(long, default_value = "262144", value_name = "BYTES")]
    buffer_bytes_max: u64,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Where the requests are in the end; the names are the units.
#[derive(Debug, Serialize)]
struct Answer {
    away_s: u64,
    requests_per_s: u64,
    buffer_bytes_max: u64,
    /// Sent, and answered as they should be.
    requests: u64,
    slowest_ms: f64,
    envoy_completed: u64,
    delivered: u64,
    folded: u64,
    dropped: u64,
    unaccounted: i64,
    /// Resident memory of Envoy, just before the collector was killed.
    memory_before_bytes: u64,
    /// The most of it from then on.
    memory_max_bytes: u64,
}

/// Kills the collector under load, and sees what becomes of the requests.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("hopscope-outage-").tempdir()?;
    let data = folder.path().join("data");
    let mut collector =
        Collector::new(arguments.collector.clone(), CollectorPlace::choose()?, folder.path().join("log"))
            .with_options(&["--data-dir", &data.to_string_lossy()]);
    collector.start().await?;
    let origin = Origin::start().await?;
    let module = arguments.module.canonicalize().context("failed to find the filter")?;
    let limits = json!({"buffer_bytes_max": arguments.buffer_bytes_max});
    let around = Surroundings {
        module: &module,
        limits: Some(&limits),
        workers: 1,
        origin: origin.address(),
        sink: collector.grpc(),
    };
    let arm = Arm::HopscopeAll;
    let proxy = Proxy::start(&arguments.envoy, &[arm], around, |envoy, _| Command::new(envoy)).await?;
    let requests = arguments.rate * (2 * AROUND.as_secs() + arguments.seconds);
    let load = tokio::spawn(load::send_steadily(proxy.listener(arm).await?, requests, arguments.rate));
    tokio::time::sleep(AROUND).await;
    let memory_before_bytes = proxy.memory_bytes()?;
    collector.kill();
    tell(&format!("the collector is away for {} s", arguments.seconds));
    let mut memory_max_bytes = 0;
    for _ in 0..Duration::from_secs(arguments.seconds).as_millis() / LOOK.as_millis() {
        tokio::time::sleep(LOOK).await;
        memory_max_bytes = proxy.memory_bytes()?.max(memory_max_bytes);
    }
    collector.start().await?;
    tell("the collector is back");
    let took_us = load.await?.context("a request failed")?;
    let row = settled(&collector, requests).await?;
    let answer = Answer {
        away_s: arguments.seconds,
        requests_per_s: arguments.rate,
        buffer_bytes_max: arguments.buffer_bytes_max,
        requests: took_us.len() as u64,
        slowest_ms: f64::from(took_us.iter().copied().max().unwrap_or(0)) / 1e3,
        envoy_completed: proxy.completed(arm).await?,
        delivered: row.delivered,
        folded: row.folded,
        dropped: row.dropped,
        unaccounted: row.unaccounted,
        memory_before_bytes,
        memory_max_bytes: proxy.memory_bytes()?.max(memory_max_bytes),
    };
    show(&answer, arguments.json)?;
    let counted = answer.delivered + answer.folded + answer.dropped;
    ensure!(
        counted == answer.envoy_completed,
        "{counted} requests are in a count, Envoy ended another number"
    );
    Ok(())
}

/// The books, once every request is in them.
async fn settled(collector: &Collector, requests: u64) -> anyhow::Result<LedgerRow> {
    let balanced = async || {
        let row = collector.ledgers().await.ok()?.pop()?;
        (row.seen == requests && row.in_flight == 0 && row.unaccounted == 0).then_some(row)
    };
    eventually("the books balance", SETTLED_WITHIN, balanced).await
}

fn show(answer: &Answer, json: bool) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(answer)?;
    if json {
        let _ = writeln!(std::io::stdout(), "{text}");
    } else {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    Ok(())
}

fn tell(step: &str) {
    let _ = writeln!(std::io::stderr(), "▸ {step}");
}
