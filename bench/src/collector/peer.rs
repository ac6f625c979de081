//! Throughput of the OpenTelemetry Collector that counts the same requests, for comparison.
//!
//! In: its binary. Out: a [`Row`].
//! Invariant: batch processor, `signal_to_metrics` (a counter and an exponential histogram per
//! edge), Prometheus exporter, scraped every 5 s; its sum is compared with the acknowledged
//! records.

use super::call::{Acknowledged, Calls};
use super::mesh::Mesh;
use super::otlp;
use super::process::{Collector, free_address};
use super::row::Row;
use super::scrape::{Scrape, scraped};
use super::throughput;
use anyhow::ensure;
use hopscope_mesh::progress::remark;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Name of the run.
pub(crate) const NAME: &str = "peer_otelcol";

const EDGES: usize = 2_000;
/// All messages of a round are held in memory: 750 bytes a record.
const HOPS: usize = 50_000;
const BATCH_RECORDS: usize = 256;
const CONNECTIONS: usize = 4;
const IN_FLIGHT_MAX: usize = 16;
const PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const COUNTED_WITHIN: Duration = Duration::from_secs(20);

/// Measures the run.
pub(crate) async fn measure(binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    let mesh = Mesh::new(EDGES);
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let messages = otlp::messages(&mesh, &mesh.hops(HOPS, usize::MAX), BATCH_RECORDS, u64::try_from(now_us)?);
    let folder = tempfile::tempdir()?;
    let (grpc, http) = (free_address()?, free_address()?);
    let file = folder.path().join("otelcol.yaml");
    std::fs::write(&file, configuration(grpc, http))?;
    let mut command = Command::new(binary);
    command.arg("--config").arg(format!("file:{}", file.display())).stdin(Stdio::null());
    let peer = Collector::spawn(command, grpc, http, "/metrics").await?;
    let empty_bytes = peer.memory_bytes()?;
    let check = |answer: &[u8]| {
        // Field 1 (`partial_success`) with content reports rejected records.
        ensure!(answer.is_empty() || answer == [0x0a, 0], "the peer rejected records");
        Ok(())
    };
    let mut calls = Calls::new(peer.connect(CONNECTIONS).await?, PATH, check, IN_FLIGHT_MAX);
    let warm = send(&mut calls, &messages, Duration::ZERO, 0.0).await?;
    let before = peer.cpu_seconds()?;
    let time = Duration::from_secs(seconds);
    let full = scraped(&peer, Scrape::Protobuf, send(&mut calls, &messages, time, 0.0)).await?;
    let cpu = peer.cpu_seconds()? - before;
    let rate = full.messages as f64 / full.seconds / 2.0;
    let mut half = scraped(&peer, Scrape::Protobuf, send(&mut calls, &messages, time, rate)).await?;
    let expected = warm.records + full.records + half.records;
    let counted = count(&peer, expected).await?;
    if counted != expected {
        remark(&format!("the peer counted {counted} records and acknowledged {expected}"));
    }
    let memory_bytes = peer.memory_bytes()?;
    Ok(throughput::row(NAME, &full, cpu, &mut half)
        .with("edges", mesh.edges.len() as f64)
        .with("bytes_per_edge", memory_bytes.saturating_sub(empty_bytes) as f64 / mesh.edges.len() as f64)
        .with("uncounted_records", expected.saturating_sub(counted) as f64)
        .with("memory_bytes", memory_bytes as f64))
}

/// Sends all messages in turn until `time` is over, at least once with a `time` of 0.
async fn send(
    calls: &mut Calls,
    messages: &[(u64, prost::bytes::Bytes)],
    time: Duration,
    rate: f64,
) -> anyhow::Result<Acknowledged> {
    calls.begin(rate);
    loop {
        for (records, message) in messages {
            let due = calls.next_due().await?;
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

/// Requests that the peer counted: waits for the expected number, at most [`COUNTED_WITHIN`].
async fn count(peer: &Collector, expected: u64) -> anyhow::Result<u64> {
    let start = Instant::now();
    loop {
        let text = peer.get("/metrics").await?;
        let samples = text.lines().filter(|line| line.starts_with("requests_total{"));
        let values =
            samples.filter_map(|line| line.rsplit_once("} ")?.1.split(' ').next()?.parse::<f64>().ok());
        let sum = values.sum::<f64>() as u64;
        if sum == expected || start.elapsed() > COUNTED_WITHIN {
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
