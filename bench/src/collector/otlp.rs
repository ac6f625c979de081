//! Requests of the generated mesh as OpenTelemetry logs, as Envoy's OpenTelemetry access log sends
//! them.
//!
//! In: hops of a mesh. Out: encoded `ExportLogsServiceRequest`s.
//! Invariant: one request is one log record with 22 text attributes; one message is of one proxy.
//!
//! Source: opentelemetry-proto (`logs/v1`, `common/v1`), only the fields that Envoy sets.

use super::mesh::{Mesh, Proxy};
use super::template::{self, Row};
use prost::Message;
use prost::bytes::Bytes;

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, tag = "1")]
    text: String,
}

/// Attributes that are the labels of a series.
pub(super) const LABELS: [&str; 12] = [
    "reporter",
    "source_workload",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_version",
    "destination_cluster",
    "destination_service",
    "request_protocol",
    "response_code",
    "response_flags",
    "connection_security_policy",
];

/// Messages, each with its number of records.
pub(super) fn messages(
    mesh: &Mesh,
    hops: &[super::mesh::Hop],
    batch_records: usize,
    now_us: u64,
) -> Vec<(u64, Bytes)> {
    let mut messages = Vec::new();
    for sources in [true, false] {
        for (proxy, rows) in template::rows(mesh, hops, sources).iter().enumerate() {
            let Some(proxy) = mesh.proxies.get(proxy) else { continue };
            for rows in rows.chunks(batch_records) {
                let records = rows.iter().filter_map(|row| record(mesh, row, now_us)).collect();
                let export = Export {
                    resource_logs: vec![ResourceLogs {
                        resource: Some(Resource { attributes: vec![pair("node_name", &proxy.name)] }),
                        scope_logs: vec![ScopeLogs { log_records: records }],
                    }],
                };
                messages.push((rows.len() as u64, Bytes::from(export.encode_to_vec())));
            }
        }
    }
    messages
}

fn record(mesh: &Mesh, row: &Row, now_us: u64) -> Option<LogRecord> {
    let (from, to) = *mesh.edges.get(row.hop.edge)?;
    let (from, to) = (mesh.proxies.get(from)?, mesh.proxies.get(to)?);
    let workload = |proxy: &Proxy| format!("{}-{}", proxy.service, proxy.version);
    let (code, flags) = if row.hop.fails { ("503", "UC") } else { ("200", "-") };
    let start_us = now_us + row.hop.start_us;
    let labels = [
        if row.is_source { "source".to_owned() } else { "destination".to_owned() },
        workload(from),
        from.version.clone(),
        from.site.clone(),
        workload(to),
        to.version.clone(),
        to.site.clone(),
        format!("{}.shop.svc.cluster.local", to.service),
        "http".to_owned(),
        code.to_owned(),
        flags.to_owned(),
        "mutual_tls".to_owned(),
    ];
    let id = format!("{:08x}-1f5c-4d2e-8f6a-{:012x}", row.hop.id, row.hop.id);
    let facts = [
        ("duration_us", template::duration_us(row).to_string()),
        ("request_bytes", (700 + row.hop.id % 300).to_string()),
        ("response_bytes", (200 + row.hop.id % 5_000).to_string()),
        ("request_id", id),
        ("attempts", row.attempt.to_string()),
        ("source_address", from.address.clone()),
        ("destination_address", to.address.clone()),
        ("source_principal", format!("spiffe://cluster.local/ns/shop/sa/{}", from.service)),
        ("destination_principal", format!("spiffe://cluster.local/ns/shop/sa/{}", to.service)),
        ("start_time", start_us.to_string()),
    ];
    let labels = LABELS.iter().zip(&labels).map(|(key, value)| pair(key, value));
    let attributes = labels.chain(facts.iter().map(|(key, value)| pair(key, value))).collect();
    Some(LogRecord { time_unix_nano: start_us * 1_000, attributes })
}

fn pair(key: &str, text: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { text: text.to_owned() }) }
}
