//! Latency of acknowledgements while readers poll the HTTP API.
//!
//! In: a run and a binary. Out: a [`Row`] with the latencies and with what the readers received.
//! Invariant: reports are due at a fixed rate and a latency counts from when its batch was due,
//! whatever delayed it; the readers run in a thread of their own, so that they do not delay the
//! sender.

mod lists;
mod poll;
mod pool;

use super::names::SERIES;
use super::prepared::Prepared;
use super::row::Row;
use super::run::Run;
use anyhow::Context;
use pool::Readers;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// Readers at a time.
const READERS: usize = 50;
/// Reports per second.
const RATE: f64 = 50.0;
/// Longest wait for late acknowledgements with the readers, and once more without them.
const LATE_MAX: Duration = Duration::from_secs(60);

/// Measures one run.
pub(crate) async fn measure(run: &Run, binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    let mut prepared = Prepared::start(run, binary).await?;
    let Prepared { collector, load, round, .. } = &mut prepared;
    let series = collector.sample(SERIES).await?;
    let lists = lists::all(collector.http()).await?;
    let paths = lists.len();
    let cpu_before = collector.cpu_seconds()?;
    let readers = Readers::start(collector.http(), lists, READERS)?;
    let time = Duration::from_secs(seconds);
    let sent = timeout(time + LATE_MAX, load.send(round, time, RATE)).await;
    let cpu = collector.cpu_seconds()? - cpu_before;
    let reads = readers.end().await?;
    let mut reports = match sent {
        Ok(acknowledged) => acknowledged?,
        Err(_) => timeout(LATE_MAX, load.end()).await.context("acknowledgements are missing")??,
    };
    prepared.check_counts(reports.records).await?;
    let mut row = Row::new(run.name)
        .with("ack_p50_ms", reports.quantile_ms(0.5))
        .with("ack_p99_ms", reports.quantile_ms(0.99))
        .with("ack_max_ms", reports.quantile_ms(1.0))
        .with("reports", reports.messages as f64)
        .with("records", reports.records as f64)
        .with("seconds", reports.seconds)
        .with("series", series as f64)
        .with("edges", prepared.edges as f64)
        .with("cpu_cores", cpu / reports.seconds)
        .with("memory_bytes", prepared.collector.memory_bytes()? as f64)
        .with("memory_peak_bytes", prepared.collector.memory_peak_bytes()? as f64)
        .with("reader_paths", paths as f64)
        .with("reader_requests", reads.requests as f64)
        .with("reader_bytes", reads.bytes as f64)
        .with("reader_max_ms", reads.slowest.as_secs_f64() * 1_000.0)
        .with("reader_errors", reads.errors as f64);
    for (status, requests) in reads.statuses {
        row = row.with(format!("reader_status_{status}"), requests as f64);
    }
    for (path, passes) in reads.passes {
        row = row.with(format!("reader_passes{}", path.replace('/', "_")), passes as f64);
    }
    Ok(row)
}
