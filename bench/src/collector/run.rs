//! One run: a collector with some parts on, and the load that it gets.
//!
//! In: a [`Run`]. Out: a [`Row`]. Always holds: the warm-up (one round, so that every series exists) is not measured;
//! `/metrics` is scraped every 5 s meanwhile, as in production.

use super::load::Load;
use super::mesh::Mesh;
use super::process::Collector;
use super::template;
use anyhow::ensure;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Connections to the collector.
const CONNECTIONS: usize = 8;
const SCRAPE_INTERVAL: Duration = Duration::from_secs(5);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    edges: usize,
    hops: usize,
    batch_records: usize,
    options: &'static [&'static str],
}

const PLAIN: Run = Run {
    name: "plain",
    what: "2,000 edges, batches of 256",
    edges: 2_000,
    hops: 400_000,
    batch_records: 256,
    options: &[],
};

/// All runs, in order.
pub(crate) const RUNS: [Run; 3] = [
    PLAIN,
    Run {
        name: "plain_small_batches",
        what: "the same in batches of 8, as quiet proxies send",
        hops: 100_000,
        batch_records: 8,
        ..PLAIN
    },
    Run {
        name: "plain_1m_edges",
        what: "1,000,000 edges, batches of 256",
        edges: 1_000_000,
        options: &["--series-max", "4000000"],
        ..PLAIN
    },
];

/// What it took.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    records_per_s: f64,
    records_per_s_per_core: f64,
    messages_per_s_per_core: f64,
    ack_p50_ms: f64,
    ack_p99_ms: f64,
    edges: u64,
    wire_bytes_per_record: f64,
    memory_bytes: u64,
    bytes_per_series: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} records/s, {:.0} records/s/core, {:.0} messages/s/core, ack p50 {:.2} ms p99 {:.2} ms, {:.1} bytes \
             a record, {} series, {} MB, {:.0} bytes a series",
            self.records_per_s,
            self.records_per_s_per_core,
            self.messages_per_s_per_core,
            self.ack_p50_ms,
            self.ack_p99_ms,
            self.wire_bytes_per_record,
            self.edges,
            self.memory_bytes >> 20,
            self.bytes_per_series
        )
    }
}

/// Measures one run.
pub(crate) async fn measure(run: &Run, binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    let mesh = Mesh::new(run.edges);
    let templates = template::round(&mesh, &mesh.hops(run.hops), run.batch_records);
    let options: Vec<String> = run.options.iter().map(|option| (*option).to_owned()).collect();
    let collector = Collector::start(binary, &options).await?;
    let empty_bytes = collector.memory_bytes()?;
    let mut load = Load::new(&mesh, templates, collector.connect(CONNECTIONS).await?);
    let warm = load.send(Duration::ZERO).await?;
    let cpu_before = collector.cpu_seconds()?;
    let scraped = async {
        loop {
            tokio::time::sleep(SCRAPE_INTERVAL).await;
            if collector.get("/metrics").await.is_err() {
                break;
            }
        }
    };
    let mut sent = tokio::select! {
        sent = load.send(Duration::from_secs(seconds)) => sent?,
        () = scraped => anyhow::bail!("the collector does not answer any more"),
    };
    let cpu = collector.cpu_seconds()? - cpu_before;
    let delivered = collector.sample("hopscope_ledger_delivered_total").await?;
    ensure!(
        delivered == warm.records + sent.records,
        "{delivered} records were counted, {} acknowledged",
        warm.records + sent.records
    );
    let edges = collector.sample("hopscope_series").await?;
    let memory_bytes = collector.memory_bytes()?;
    Ok(Row {
        name: run.name,
        records_per_s: sent.records as f64 / sent.seconds,
        records_per_s_per_core: sent.records as f64 / cpu,
        messages_per_s_per_core: sent.messages as f64 / cpu,
        ack_p50_ms: sent.quantile_ms(0.5),
        ack_p99_ms: sent.quantile_ms(0.99),
        edges,
        wire_bytes_per_record: sent.bytes as f64 / sent.records as f64,
        memory_bytes,
        bytes_per_series: memory_bytes.saturating_sub(empty_bytes) as f64 / edges.max(1) as f64,
    })
}
