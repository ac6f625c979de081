//! Metric families of the gRPC server: reports, connections, access logs, TLS.
//!
//! Invariant: everything that is rejected, lost or skipped is counted by reason, from 0 on.

use crate::runtime::self_metrics::SelfMetrics;
use crate::runtime::self_metrics::grpc::GrpcStats;
use hopscope_core::metrics::{self, Family, Metric, Visitor, families, visit_rows};

static REPORTS: [Metric<SelfMetrics>; 2] = [
    Metric::counter("hopscope_grpc_reports_total", "Accepted reports, repeated ones included.", |stats| {
        Some(stats.accepted().0)
    }),
    Metric::counter("hopscope_grpc_bytes_total", "Size of accepted reports in bytes.", |stats| {
        Some(stats.accepted().1)
    }),
];

static REPORTS_REJECTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_grpc_reports_rejected_total",
    "Rejected reports, by reason.",
    &["reason"],
)];

static COUNTERS: [Metric<GrpcStats>; 5] = [
    Metric::counter("hopscope_grpc_connections_accepted_total", "Accepted connections.", |stats| {
        Some(stats.connections().accepted())
    }),
    Metric::counter(
        "hopscope_access_log_entries_total",
        "Access log entries that were accepted as records.",
        |stats| Some(stats.entries().0),
    ),
    Metric::counter(
        "hopscope_access_log_entries_lost_total",
        "Access log entries that were received as records but not accepted.",
        |stats| Some(stats.entries().1),
    ),
    Metric::counter(
        "hopscope_tls_loads_total",
        "Successful loads of the certificate of the gRPC server.",
        |stats| Some(stats.reloads().0),
    ),
    Metric::counter(
        "hopscope_tls_load_failures_total",
        "Failed loads of the certificate of the gRPC server; the previous one stays in use.",
        |stats| Some(stats.reloads().1),
    ),
];

static CONNECTIONS_REJECTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_grpc_connections_rejected_total",
    "Rejected connections, by reason.",
    &["reason"],
)];

static ENTRIES_SKIPPED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_access_log_entries_skipped_total",
    "Access log entries that are no records, by reason.",
    &["reason"],
)];

static GAUGES: [Metric<GrpcStats>; 5] = [
    Metric::gauge("hopscope_grpc_open_connections", "Open connections.", |stats| {
        stats.connections().open().into()
    }),
    Metric::gauge(
        "hopscope_grpc_in_flight_bytes",
        "Size of received messages that are not handled yet in bytes.",
        |stats| stats.in_flight()[0].into(),
    ),
    Metric::gauge(
        "hopscope_grpc_receiving_reports",
        "Reports whose message has not arrived completely.",
        |stats| stats.in_flight()[1].into(),
    ),
    Metric::gauge("hopscope_grpc_in_flight_reports", "Complete reports that are being handled.", |stats| {
        stats.in_flight()[2].into()
    }),
    Metric::gauge(
        "hopscope_grpc_long_streams",
        "Open gRPC streams: access logs and health watches.",
        |stats| stats.in_flight()[3].into(),
    ),
];

static CERTIFICATE: [Metric<u64>; 1] = [Metric::gauge(
    "hopscope_tls_certificate_expiry_timestamp_seconds",
    "Expiry time of the certificate of the gRPC server in seconds since the Unix epoch.",
    |ends_s| (*ends_s).into(),
)];

/// All declarations.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    let by_reason =
        families(&REPORTS_REJECTED).chain(families(&CONNECTIONS_REJECTED)).chain(families(&ENTRIES_SKIPPED));
    families(&REPORTS)
        .chain(families(&COUNTERS))
        .chain(by_reason)
        .chain(families(&GAUGES))
        .chain(families(&CERTIFICATE))
}

/// Visits the families.
pub(super) fn visit(stats: &SelfMetrics, to: &mut impl Visitor) {
    metrics::visit(&REPORTS, stats, to);
    by_reason(&REPORTS_REJECTED, stats.rejections(), to);
    let stats = stats.grpc();
    metrics::visit(&COUNTERS, stats, to);
    by_reason(&CONNECTIONS_REJECTED, stats.connections().unserved_by_reason(), to);
    by_reason(&ENTRIES_SKIPPED, stats.skipped_by_reason(), to);
    metrics::visit(&GAUGES, stats, to);
    if let Some(ends_s) = stats.certificate_ends_s() {
        metrics::visit(&CERTIFICATE, &ends_s, to);
    }
}

pub(super) fn by_reason(
    table: &'static [Metric<u64>],
    counts: impl Iterator<Item = (&'static str, u64)>,
    to: &mut impl Visitor,
) {
    let rows: Vec<_> = counts.map(|(reason, count)| ([reason], count)).collect();
    visit_rows(table, &rows, to);
}
