//! Throughput of a collector, and the latency of acknowledgements at half of it.
//!
//! Invariant: `/metrics` is scraped every 5 s meanwhile, as in production; a difference between the
//! collector's count and the acknowledged records is an error.

use super::call::Acknowledged;
use super::prepared::Prepared;
use super::row::Row;
use super::run::Run;
use super::scrape::{Scrape, scraped};
use std::path::Path;
use std::time::Duration;

/// Measures one run.
pub(crate) async fn measure(run: &Run, scrape: Scrape, binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    let mut prepared = Prepared::start(run, binary).await?;
    let Prepared { collector, load, round, .. } = &mut prepared;
    let time = Duration::from_secs(seconds);
    let (before, memory_bytes) = (collector.cpu_seconds()?, collector.memory_bytes()?);
    let full = scraped(collector, scrape, load.send(round, time, 0.0)).await?;
    let cpu = collector.cpu_seconds()? - before;
    let rate = full.messages as f64 / full.seconds / 2.0;
    let mut half = scraped(collector, scrape, load.send(round, time, rate)).await?;
    prepared.check_counts(full.records + half.records).await?;
    let row = row(run.name, &full, cpu, &mut half)
        .with("edges", prepared.edges as f64)
        .with("bytes_per_edge", prepared.edges_bytes as f64 / prepared.edges as f64)
        .with("pending_records", prepared.pending_records as f64)
        .with("memory_bytes", memory_bytes as f64);
    Ok(match prepared.pending_records {
        0 => row,
        records => row.with("bytes_per_pending_record", prepared.pending_bytes as f64 / records as f64),
    })
}

/// Figures of full load, with the processor time of it in seconds, and of half load.
pub(super) fn row(run: &'static str, full: &Acknowledged, cpu: f64, half: &mut Acknowledged) -> Row {
    Row::new(run)
        .with("records_per_s", full.records as f64 / full.seconds)
        .with("records_per_s_per_core", full.records as f64 / cpu)
        .with("messages_per_s_per_core", full.messages as f64 / cpu)
        .with("ack_p50_ms", half.quantile_ms(0.5))
        .with("ack_p99_ms", half.quantile_ms(0.99))
        .with("wire_bytes_per_record", full.bytes as f64 / full.records as f64)
}
