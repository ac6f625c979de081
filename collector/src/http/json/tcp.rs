//! `/api/v1/tcp`: one row per series of TCP connections.
//!
//! In: the series. Out: rows, sorted by who calls whom. Always holds: `closed` of all rows adds up to the connections that
//! were counted and not expired.

use crate::http::labels::Values;
use hopscope_core::aggregate::Key;
use hopscope_core::aggregate::connections::{ConnectionSeries, Series};
use hopscope_core::identity::EdgeTable;
use serde::{Deserialize, Serialize};

/// One series. Labels as in `/metrics`; durations in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// `source`, `destination` or `waypoint`.
    pub reporter: String,
    /// Who called.
    pub source_workload: String,
    /// Its version.
    pub source_version: String,
    /// Who was called, or meant.
    pub destination_workload: String,
    /// Its version.
    pub destination_version: String,
    /// The service that was meant.
    pub destination_service: String,
    /// Envoy's flags, `-` for none.
    pub response_flags: String,
    /// What the name of the other side rests on.
    pub peer_evidence: String,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Bytes to the clients.
    pub sent_bytes: u64,
    /// Bytes from the clients.
    pub received_bytes: u64,
    /// Whether a flag says that they failed.
    pub failed: bool,
    /// Half of the closed ones lasted at most as long.
    pub duration_p50_us: f64,
    /// The longest.
    pub duration_max_us: u64,
}

/// All rows.
pub(crate) fn rows(edges: &EdgeTable, connections: &ConnectionSeries) -> Vec<ConnectionRow> {
    let mut rows: Vec<ConnectionRow> =
        connections.iter(edges).map(|(key, series)| row(&key, series)).collect();
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

fn order(row: &ConnectionRow) -> [&str; 7] {
    [
        &row.source_workload,
        &row.source_version,
        &row.destination_workload,
        &row.destination_version,
        &row.destination_service,
        &row.reporter,
        &row.response_flags,
    ]
}

fn row(key: &Key, series: &Series) -> ConnectionRow {
    let values = Values::of(key);
    let counts = &series.counts;
    let durations = counts.durations.histogram();
    ConnectionRow {
        reporter: values.get("reporter"),
        source_workload: values.get("source_workload"),
        source_version: values.get("source_version"),
        destination_workload: values.get("destination_workload"),
        destination_version: values.get("destination_version"),
        destination_service: values.get("destination_service"),
        response_flags: values.get("response_flags"),
        peer_evidence: values.get("peer_evidence"),
        opened: counts.opened,
        closed: counts.closed(),
        sent_bytes: counts.response_bytes,
        received_bytes: counts.request_bytes,
        failed: matches!(key, Key::Edge(_, outcome) if outcome.is_failure()),
        duration_p50_us: durations.quantile(0.5),
        duration_max_us: durations.max(),
    }
}
