//! One run: a collector with some parts on, and the load that it gets.
//!
//! In: a [`Run`]. Out: a [`Row`]. Always holds: a warm-up, in which every edge is told once by both sides, is not measured;
//! `/metrics` is scraped every 5 s meanwhile, as in production; what is counted is what was acknowledged, or it is an error;
//! how long acknowledgements take is measured at half of the rate that the collector took as a whole.

use super::load::Load;
use super::mesh::Mesh;
use super::process::Collector;
use super::row::Row;
use super::scrape::{Scrape, scraped};
use super::template::Round;
use anyhow::ensure;
use std::path::Path;
use std::time::Duration;

/// Connections to the collector.
const CONNECTIONS: usize = 16;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    edges: usize,
    hops: usize,
    batch_records: usize,
    join: bool,
    journal: bool,
    scrape: Scrape,
    options: &'static [&'static str],
}

const ALL_ON: Run = Run {
    name: "all_on",
    what: "2,000 edges, batches of 256, journal, join with nearly 1,000,000 open hops",
    edges: 2_000,
    hops: 950_000,
    batch_records: 256,
    join: true,
    journal: true,
    scrape: Scrape::Protobuf,
    options: &[],
};

/// All runs of the collector, in order.
pub(crate) const RUNS: [Run; 8] = [
    ALL_ON,
    Run { name: "all_on_text", what: "the same, but scraped as text", scrape: Scrape::Text, ..ALL_ON },
    Run { name: "no_join", what: "all but the join", join: false, ..ALL_ON },
    Run { name: "no_journal", what: "all but the journal", journal: false, ..ALL_ON },
    Run { name: "plain", what: "neither journal nor join", join: false, journal: false, ..ALL_ON },
    Run {
        name: "all_on_small_batches",
        what: "all of it in batches of 8, as quiet proxies send",
        hops: 100_000,
        batch_records: 8,
        ..ALL_ON
    },
    // Half as many open hops in these two: what the first telling of 1,000,000 edges leaves open would fill the table.
    Run {
        name: "all_on_1k_edges",
        what: "all of it with 1,000 edges and half as many open hops",
        edges: 1_000,
        hops: 500_000,
        ..ALL_ON
    },
    Run {
        name: "all_on_1m_edges",
        what: "the same with 1,000,000 edges; of /metrics only what the collector counts of itself",
        edges: 1_000_000,
        hops: 500_000,
        scrape: Scrape::Own,
        options: &["--series-max", "4000000", "--join-edges-max", "4000000"],
        ..ALL_ON
    },
];

/// Measures one run.
pub(crate) async fn measure(run: &Run, binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    let mesh = Mesh::new(run.edges);
    let mut once = Round::new(&mesh, &mesh.each_once(), run.batch_records);
    let mut round = Round::new(&mesh, &mesh.hops(run.hops), run.batch_records);
    let folder = tempfile::tempdir()?;
    let mut options: Vec<String> = run.options.iter().map(|option| (*option).to_owned()).collect();
    options.extend(["--join".into(), run.join.to_string()]);
    if run.journal {
        options.extend(["--data-dir".into(), folder.path().display().to_string()]);
    }
    let collector = Collector::start(binary, &options).await?;
    let empty_bytes = collector.memory_bytes()?;
    let mut load = Load::new(&mesh, collector.connect(CONNECTIONS).await?);
    load.introduce().await?;
    let mut warm = load.half(&mut once, true).await?.records + load.half(&mut once, false).await?.records;
    let told_bytes = collector.memory_bytes()?.saturating_sub(empty_bytes);
    let table_bytes = collector.sample("hopscope_join_open_bytes").await?;
    warm += load.half(&mut round, true).await?.records;
    let open = collector.sample("hopscope_join_open").await?;
    let open_bytes = collector.sample("hopscope_join_open_bytes").await?;
    warm += load.half(&mut round, false).await?.records;
    drop(once);

    let (before, memory_bytes) = (collector.cpu_seconds()?, collector.memory_bytes()?);
    let full =
        scraped(&collector, run.scrape, load.send(&mut round, Duration::from_secs(seconds), 0.0)).await?;
    let cpu = collector.cpu_seconds()? - before;
    let rate = full.messages as f64 / full.seconds / 2.0;
    let half_time = Duration::from_secs(seconds);
    let mut half = scraped(&collector, run.scrape, load.send(&mut round, half_time, rate)).await?;
    let delivered = collector.sample("hopscope_ledger_delivered_total").await?;
    let acknowledged = warm + full.records + half.records;
    ensure!(delivered == acknowledged, "{delivered} records were counted, {acknowledged} acknowledged");
    Ok(Row {
        name: run.name,
        records_per_s: full.records as f64 / full.seconds,
        records_per_s_per_core: full.records as f64 / cpu,
        messages_per_s_per_core: full.messages as f64 / cpu,
        ack_p50_ms: half.quantile_ms(0.5),
        ack_p99_ms: half.quantile_ms(0.99),
        edges: mesh.edges.len() as u64,
        // Without the empty program and the room for open hops, which has an entry of its own.
        bytes_per_series: told_bytes.saturating_sub(table_bytes) as f64 / mesh.edges.len() as f64,
        bytes_per_open_hop: (run.join && open > 0).then(|| open_bytes as f64 / open as f64),
        open_hops: open,
        uncounted: 0,
        wire_bytes_per_record: full.bytes as f64 / full.records as f64,
        memory_bytes,
    })
}
