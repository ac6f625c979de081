//! `/api/v1/edges`: one row per series.
//!
//! In: the series. Out: rows, sorted by who calls whom. Always holds: `requests` of all rows add up to the requests that
//! were counted and not expired.

use crate::http::labels::Values;
use hopscope_core::aggregate::{Aggregate, Key};
use hopscope_core::identity::EdgeTable;
use serde::{Deserialize, Serialize};

/// One series. Labels as in `/metrics`; durations in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeRow {
    /// `source`, `destination` or `waypoint`.
    pub reporter: String,
    /// Who called.
    pub source_workload: String,
    /// Its namespace.
    pub source_namespace: String,
    /// Its version.
    pub source_version: String,
    /// Who was called, or meant.
    pub destination_workload: String,
    /// Its namespace.
    pub destination_namespace: String,
    /// Its version.
    pub destination_version: String,
    /// The service that was meant.
    pub destination_service: String,
    /// HTTP status; `0` when no response headers were sent.
    pub response_code: String,
    /// Envoy's flags, `-` for none.
    pub response_flags: String,
    /// gRPC status; empty where there is none.
    pub grpc_response_status: String,
    /// `http`, `grpc`, `tcp`.
    pub request_protocol: String,
    /// What the name of the other side rests on.
    pub peer_evidence: String,
    /// How many.
    pub requests: u64,
    /// Whether they count as failed: a flag, no code, 5xx, or a gRPC status other than 0.
    pub failed: bool,
    /// Half of them were at most as long.
    pub duration_p50_us: f64,
    /// 99 % of them were at most as long.
    pub duration_p99_us: f64,
    /// The longest.
    pub duration_max_us: u64,
    /// gRPC messages that clients sent; 0 where nobody counts them.
    pub request_messages: u64,
    /// gRPC messages that clients got.
    pub response_messages: u64,
}

/// All rows.
pub(crate) fn rows(edges: &EdgeTable, aggregate: &Aggregate) -> Vec<EdgeRow> {
    let mut rows: Vec<EdgeRow> =
        aggregate.iter(edges).map(|(key, series)| row(&key, &series.measure)).collect();
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

fn order(row: &EdgeRow) -> [&str; 8] {
    [
        &row.source_workload,
        &row.source_version,
        &row.destination_workload,
        &row.destination_version,
        &row.destination_service,
        &row.reporter,
        &row.response_code,
        &row.response_flags,
    ]
}

fn row(key: &Key, measure: &hopscope_core::histogram::RequestStats) -> EdgeRow {
    let values = Values::of(key);
    let durations = measure.durations();
    let messages = measure.messages().unwrap_or_default();
    EdgeRow {
        reporter: values.get("reporter"),
        source_workload: values.get("source_workload"),
        source_namespace: values.get("source_workload_namespace"),
        source_version: values.get("source_version"),
        destination_workload: values.get("destination_workload"),
        destination_namespace: values.get("destination_workload_namespace"),
        destination_version: values.get("destination_version"),
        destination_service: values.get("destination_service"),
        response_code: values.get("response_code"),
        response_flags: values.get("response_flags"),
        grpc_response_status: values.get("grpc_response_status"),
        request_protocol: values.get("request_protocol"),
        peer_evidence: values.get("peer_evidence"),
        requests: measure.count(),
        failed: matches!(key, Key::Edge(_, outcome) if outcome.is_failure()),
        duration_p50_us: durations.quantile(0.5),
        duration_p99_us: durations.quantile(0.99),
        duration_max_us: durations.max(),
        request_messages: messages.request,
        response_messages: messages.response,
    }
}
