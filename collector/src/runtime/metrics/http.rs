//! Metric families of the HTTP server.

use super::grpc::by_reason;
use crate::runtime::self_metrics::connections::ConnectionStats;
use crate::runtime::self_metrics::http::HttpStats;
use hopscope_core::metrics::{self, Family, Metric, Visitor, families};

static CONNECTIONS: [Metric<ConnectionStats>; 2] = [
    Metric::counter("hopscope_http_connections_total", "Accepted HTTP connections.", |stats| {
        Some(stats.accepted())
    }),
    Metric::gauge("hopscope_http_open_connections", "Open HTTP connections.", |stats| stats.open().into()),
];

static CONNECTIONS_REJECTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_http_connections_rejected_total",
    "Rejected or broken HTTP connections, by reason.",
    &["reason"],
)];

static REQUESTS_REJECTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_http_requests_rejected_total",
    "Rejected HTTP requests, by reason.",
    &["reason"],
)];

/// All declarations.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&CONNECTIONS).chain(families(&CONNECTIONS_REJECTED)).chain(families(&REQUESTS_REJECTED))
}

/// Visits the families.
pub(super) fn visit(stats: &HttpStats, to: &mut impl Visitor) {
    metrics::visit(&CONNECTIONS, stats.connections(), to);
    by_reason(&CONNECTIONS_REJECTED, stats.connections().unserved_by_reason(), to);
    by_reason(&REQUESTS_REJECTED, stats.refused_by_reason(), to);
}
