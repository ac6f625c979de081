//! `hopscope-bench outage`: a collector that is killed under load and restarted later.
//!
//! In: an Envoy, the filter's module, the binary `hopscope`. Out: the count that holds each request
//! in the end, and Envoy's peak memory.
//! Invariant: a failed request, or a request in no count, is an error; the collector has a journal,
//! so that it recovers all acknowledged batches.

use super::arm::Arm;
use super::bootstrap::Environment;
use super::load;
use super::origin::Origin;
use super::programs::Programs;
use super::proxy::Proxy;
use crate::output;
use anyhow::{Context, ensure};
use hopscope_mesh::collector::{Collector, CollectorAddress, LedgerRow};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::progress::step;
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Time under load before the outage and after it.
const BEFORE_AND_AFTER: Duration = Duration::from_secs(5);
/// Longest backoff of a filter, and some reports.
const BALANCED_WITHIN: Duration = Duration::from_secs(60);
/// Time between two readings of the memory.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    programs: Programs,
    /// The binary `hopscope`.
    #[arg(long, value_name = "PATH")]
    collector: PathBuf,
    /// Duration of the outage, seconds.
    #[arg(long, default_value = "60", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Requests per second.
    #[arg(long, default_value = "2000", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// `limits.buffer_bytes_max` of the filter.
    #[arg(long, default_value = "262144", value_name = "BYTES")]
    buffer_bytes_max: u64,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Counts and memory in the end; a unit is the end of a name.
#[derive(Debug, Serialize)]
struct Figures {
    away_s: u64,
    requests_per_s: u64,
    buffer_bytes_max: u64,
    /// Requests sent, all with the expected answer.
    requests: u64,
    slowest_ms: f64,
    envoy_completed: u64,
    delivered: u64,
    folded: u64,
    dropped: u64,
    unaccounted: i64,
    /// Resident memory of Envoy just before the outage.
    memory_before_bytes: u64,
    /// Most resident memory of Envoy from then on.
    memory_max_bytes: u64,
}

/// Measures an outage.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("hopscope-outage-").tempdir()?;
    let data = folder.path().join("data");
    let mut collector =
        Collector::new(arguments.collector.clone(), CollectorAddress::choose()?, folder.path().join("log"))
            .with_options(&["--data-dir", &data.to_string_lossy()]);
    collector.start().await?;
    let origin = Origin::start().await?;
    let module = arguments.programs.module()?;
    let limits = json!({"buffer_bytes_max": arguments.buffer_bytes_max});
    let environment = Environment {
        module: &module,
        limits: Some(&limits),
        workers: 1,
        origin: origin.address(),
        sink: collector.grpc(),
    };
    let arm = Arm::HopscopeAll;
    let proxy =
        Proxy::start(&arguments.programs.envoy, &[arm], environment, |envoy, _| Command::new(envoy)).await?;
    let requests = arguments.rate * (2 * BEFORE_AND_AFTER.as_secs() + arguments.seconds);
    let load = tokio::spawn(load::send_steadily(proxy.listener(arm).await?, requests, arguments.rate));
    tokio::time::sleep(BEFORE_AND_AFTER).await;
    let memory_before_bytes = proxy.memory_bytes()?;
    collector.kill();
    step(&format!("the collector is down for {} s", arguments.seconds));
    let mut memory_max_bytes = 0;
    for _ in 0..Duration::from_secs(arguments.seconds).as_millis() / SAMPLE_EVERY.as_millis() {
        tokio::time::sleep(SAMPLE_EVERY).await;
        memory_max_bytes = proxy.memory_bytes()?.max(memory_max_bytes);
    }
    collector.start().await?;
    step("the collector is up again");
    let latencies_us = load.await?.context("a request failed")?;
    let row = balanced(&collector, requests).await?;
    let figures = Figures {
        away_s: arguments.seconds,
        requests_per_s: arguments.rate,
        buffer_bytes_max: arguments.buffer_bytes_max,
        requests: latencies_us.len() as u64,
        slowest_ms: f64::from(latencies_us.iter().copied().max().unwrap_or(0)) / 1e3,
        envoy_completed: proxy.completed(arm).await?,
        delivered: row.delivered,
        folded: row.folded,
        dropped: row.dropped,
        unaccounted: row.unaccounted,
        memory_before_bytes,
        memory_max_bytes: proxy.memory_bytes()?.max(memory_max_bytes),
    };
    output::figures(&figures, arguments.json)?;
    let counted = figures.delivered + figures.folded + figures.dropped;
    ensure!(
        counted == figures.envoy_completed,
        "{counted} requests are in a count, Envoy completed {}",
        figures.envoy_completed
    );
    Ok(())
}

/// The ledger of the proxy, once it accounts for every request.
async fn balanced(collector: &Collector, requests: u64) -> anyhow::Result<LedgerRow> {
    let balanced = async || {
        let row = collector.ledgers().await.ok()?.pop()?;
        (row.seen == requests && row.in_flight == 0 && row.unaccounted == 0).then_some(row)
    };
    eventually("the ledger balances", BALANCED_WITHIN, balanced).await
}
