//! One failed request or connection.
//!
//! In: a record of a batch. Out: all that is known of it, standing for itself. Always holds: nothing refers to the batch.

use crate::batch::{Detail, Outcome, Record, Text};
use crate::identity::{End, ResolvedEdge, ServiceName};
use std::sync::Arc;

/// As its proxy told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Envoy's node id.
    pub proxy: Text,
    /// How it ended.
    pub outcome: Outcome,
    /// What explains that.
    pub detail: Detail,
    /// When it was told, microseconds since the Unix epoch, by the collector's clock.
    pub received_us: u64,
    /// When it began, by the proxy's clock.
    pub start_us: u64,
    /// How long it took.
    pub duration_us: u64,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers and body.
    pub response_bytes: u64,
    /// 0 when there was no request id.
    pub request_id_hash: u32,
    /// As in [`Record::attempts`].
    pub attempts: u32,
}

impl Failed {
    /// What a record tells.
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

/// The same with its edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Rises from one to the next.
    pub number: u64,
    /// Who called whom.
    pub edge: Arc<ResolvedEdge>,
    /// The rest.
    pub failed: Failed,
}

/// What a row takes: itself, its places in both tables, and its texts, though it may share them with others.
pub(super) fn row_bytes(failed: &Failed) -> usize {
    const TABLES: usize = 64;
    let Failed { proxy, detail, .. } = failed;
    let texts = proxy.len() + detail.code_details.len() + detail.transport_failure_reason.len();
    size_of::<super::Row>() + TABLES + texts
}

/// What an edge takes, though the series may share it.
pub(super) fn edge_bytes(edge: &ResolvedEdge) -> usize {
    let ResolvedEdge { source, destination, service, .. } = edge;
    let ServiceName { host, name, namespace, .. } = &**service;
    let texts = [host, name, namespace].map(|text| text.len()).into_iter().sum::<usize>();
    let sizes = size_of::<ResolvedEdge>() + 2 * size_of::<End>() + size_of::<ServiceName>();
    sizes + size_of::<super::Ring>() + texts + end_bytes(source) + end_bytes(destination)
}

fn end_bytes(end: &End) -> usize {
    let End { workload, namespace, principal, app, version, .. } = end;
    let End { canonical_service, canonical_revision, cluster, .. } = end;
    let texts =
        [workload, namespace, principal, app, version, canonical_service, canonical_revision, cluster];
    texts.into_iter().map(|text| text.len()).sum()
}
