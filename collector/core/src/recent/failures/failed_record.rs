//! A failed request or connection.
//!
//! Invariant: a failed record owns its data and does not refer to its batch.

use crate::batch::{Detail, Outcome, Record, Text};
use crate::identity::{End, ResolvedEdge, ServiceName};
use crate::snapshot::codec::snapshot;
use std::sync::Arc;

/// Failed record as its proxy reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRecord {
    /// Envoy's node id.
    pub proxy: Text,
    /// Outcome of the request or connection.
    pub outcome: Outcome,
    /// Details from Envoy that explain the outcome.
    pub detail: Detail,
    /// Arrival in microseconds since the Unix epoch, by the collector's clock.
    pub received_us: u64,
    /// Start in microseconds since the Unix epoch, by the proxy's clock.
    pub start_us: u64,
    /// Duration in microseconds.
    pub duration_us: u64,
    /// Size of the request, headers and body.
    pub request_bytes: u64,
    /// Size of the response, headers and body.
    pub response_bytes: u64,
    /// Hash of the request id; 0 without one.
    pub request_id_hash: u32,
    /// Attempts, as in [`Record::attempts`].
    pub attempts: u32,
}

snapshot!(struct Detail { code_details, transport_failure_reason });
snapshot!(struct FailedRecord {
    proxy,
    outcome,
    detail,
    received_us,
    start_us,
    duration_us,
    request_bytes,
    response_bytes,
    request_id_hash,
    attempts,
});

impl FailedRecord {
    /// Copies the data of a record.
    #[must_use]
    pub fn of(record: &Record, proxy: &Text, outcome: Outcome, detail: Detail, received_us: u64) -> Self {
        Self {
            proxy: proxy.clone(),
            outcome,
            detail,
            received_us,
            start_us: record.start_us,
            duration_us: record.duration_us,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            request_id_hash: record.request_id_hash,
            attempts: record.attempts,
        }
    }
}

/// Stored failure: a failed record with its number and edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Number of the failure; numbers increase.
    pub number: u64,
    /// Resolved edge.
    pub edge: Arc<ResolvedEdge>,
    /// The failed record.
    pub failed: FailedRecord,
}

/// Returns the memory of a row: the row, its entries in both tables, and its texts, although other
/// rows may share them.
pub(super) fn row_bytes(failed: &FailedRecord) -> usize {
    const TABLES: usize = 64;
    let FailedRecord { proxy, detail, .. } = failed;
    let texts = proxy.len() + detail.code_details.len() + detail.transport_failure_reason.len();
    size_of::<super::Row>() + TABLES + texts
}

/// Returns the memory of an edge, although the series may share it.
pub(super) fn edge_bytes(edge: &ResolvedEdge) -> usize {
    let ResolvedEdge { source, destination, service, .. } = edge;
    let ServiceName { host, name, namespace, .. } = &**service;
    let texts = [host, name, namespace].map(|text| text.len()).into_iter().sum::<usize>();
    let sizes = size_of::<ResolvedEdge>() + 2 * size_of::<End>() + size_of::<ServiceName>();
    sizes + size_of::<super::EdgeRecords>() + texts + end_bytes(source) + end_bytes(destination)
}

fn end_bytes(end: &End) -> usize {
    let End { workload, namespace, principal, app, version, .. } = end;
    let End { canonical_service, canonical_revision, cluster, .. } = end;
    let texts =
        [workload, namespace, principal, app, version, canonical_service, canonical_revision, cluster];
    texts.into_iter().map(|text| text.len()).sum()
}
