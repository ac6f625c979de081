//! The run beside: the OpenTelemetry Collector counts the same requests.
//!
//! In: its binary. Out: a [`Row`]. Always holds: batch processor, `signal_to_metrics` (a counter and an exponential histogram
//! per edge), Prometheus exporter, scraped every 5 s; its sum is compared with what it acknowledged.

use super::call::{Acknowledged, Calls};
use super::mesh::Mesh;
use super::otlp;
use super::process::{Collector, free_address};
use super::row::Row;
use super::scrape::{Scrape, scraped};
use anyhow::ensure;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The name of the run.
pub(crate) const NAME: &str = "peer_otelcol";

const EDGES: usize = 2_000;
/// A round of it has to lie in memory: 750 bytes a record.
const HOPS: usize = 50_000;
const BATCH_RECORDS: usize = 256;
const CONNECTIONS: usize = 4;
const IN_FLIGHT_MAX: usize = 16;
const PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// Measures it.
pub(crate) async fn measure(binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    let mesh = Mesh::new(EDGES);
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let messages = otlp::messages(&mesh, &mesh.hops(HOPS), BATCH_RECORDS, u64::try_from(now_us)?);
    let folder = tempfile::tempdir()?;
    let (grpc, http) = (free_address()?, free_address()?);
    let file = folder.path().join("otelcol.yaml");
    std::fs::write(&file, configuration(grpc, http))?;
    let mut command = Command::new(binary);
    command.arg("--config").arg(format!("file:{}", file.display())).stdin(Stdio::null());
    let peer = Collector::spawn(command, grpc, http, "/metrics").await?;
    let empty_bytes = peer.memory_bytes()?;
    let good = |answer: &[u8]| {
        // Field 1 would say that some were refused.
        ensure!(answer.is_empty() || answer == [0x0a, 0], "the peer refused records");
        Ok(())
    };
    let mut calls = Calls::new(peer.connect(CONNECTIONS).await?, PATH, good, IN_FLIGHT_MAX);
    let warm = send(&mut calls, &messages, Duration::ZERO, 0.0).await?;
    let before = peer.cpu_seconds()?;
    let time = Duration::from_secs(seconds);
    let full = scraped(&peer, Scrape::Protobuf, send(&mut calls, &messages, time, 0.0)).await?;
    let cpu = peer.cpu_seconds()? - before;
    let rate = full.messages as f64 / full.seconds / 2.0;
    let mut half = scraped(&peer, Scrape::Protobuf, send(&mut calls, &messages, time, rate)).await?;
    let expected = warm.records + full.records + half.records;
    let counted = settled(&peer, expected).await?;
    if counted != expected {
        super::tell(&format!("  the peer counted {counted} records and acknowledged {expected}"));
    }
    let memory_bytes = peer.memory_bytes()?;
    Ok(Row {
        name: NAME,
        records_per_s: full.records as f64 / full.seconds,
        records_per_s_per_core: full.records as f64 / cpu,
        messages_per_s_per_core: full.messages as f64 / cpu,
        ack_p50_ms: half.quantile_ms(0.5),
        ack_p99_ms: half.quantile_ms(0.99),
        edges: mesh.edges.len() as u64,
        bytes_per_series: memory_bytes.saturating_sub(empty_bytes) as f64 / mesh.edges.len() as f64,
        bytes_per_open_hop: None,
        open_hops: 0,
        uncounted: expected.saturating_sub(counted),
        wire_bytes_per_record: full.bytes as f64 / full.records as f64,
        memory_bytes,
    })
}

/// Sends whole rounds until `time` is over.
async fn send(
    calls: &mut Calls,
    messages: &[(u64, prost::bytes::Bytes)],
    time: Duration,
    rate: f64,
) -> anyhow::Result<Acknowledged> {
    calls.begin(rate);
    loop {
        for (records, message) in messages {
            let due = calls.room().await?;
            calls.send(*records, message.clone(), due)?;
            if time > Duration::ZERO && calls.elapsed() >= time {
                return calls.end().await;
            }
        }
        if calls.elapsed() >= time {
            return calls.end().await;
        }
    }
}

/// The sum of what it counted, once that is what is expected, or does not become so.
async fn settled(peer: &Collector, expected: u64) -> anyhow::Result<u64> {
    let start = Instant::now();
    loop {
        let text = peer.get("/metrics").await?;
        let samples = text.lines().filter(|line| line.starts_with("requests_total{"));
        let values =
            samples.filter_map(|line| line.rsplit_once("} ")?.1.split(' ').next()?.parse::<f64>().ok());
        let sum = values.sum::<f64>() as u64;
        if sum == expected || start.elapsed() > SETTLES_WITHIN {
            return Ok(sum);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn configuration(grpc: SocketAddr, http: SocketAddr) -> String {
    let labels: String = otlp::LABELS.iter().map(|label| format!("          - key: {label}\n")).collect();
    format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: {grpc}\n\
         processors:\n  batch:\n    send_batch_size: 8192\n    timeout: 200ms\n  deltatocumulative:\n\
         connectors:\n  signal_to_metrics:\n    logs:\n\
         \x20     - name: requests\n        description: Requests.\n        attributes:\n{labels}        sum:\n          value: \"1\"\n          monotonic: true\n\
         \x20     - name: request_duration\n        description: Their duration.\n        attributes:\n{labels}\
         \x20       exponential_histogram:\n          max_size: 160\n          value: Double(attributes[\"duration_us\"])\n\
         exporters:\n  prometheus:\n    endpoint: {http}\n\
         service:\n  telemetry:\n    metrics:\n      level: none\n    logs:\n      level: fatal\n\
         \x20 pipelines:\n    logs:\n      receivers: [otlp]\n      processors: [batch]\n      exporters: [signal_to_metrics]\n\
         \x20   metrics:\n      receivers: [signal_to_metrics]\n      processors: [deltatocumulative]\n      exporters: [prometheus]\n"
    )
}
