//! The part of `/metrics` that tells of the gRPC door.
//!
//! In: its counters. Out: their families. Always holds: what is turned away, cut short or left out shows with its reason.

use super::super::prometheus::{Exposition, Kind};
use crate::grpc::stats::GrpcStats;

pub(super) fn render(text: &mut Exposition<'_>, stats: &GrpcStats) {
    let (entries, lost) = stats.entries();
    let (loads, load_failures) = stats.reloads();
    let counters = [
        ("hopscope_grpc_connections_total", "Connections that were served.", stats.connections()),
        ("hopscope_access_log_entries_total", "Entries of access logs that were taken as records.", entries),
        (
            "hopscope_access_log_entries_lost_total",
            "Entries of access logs that came and were not taken.",
            lost,
        ),
        ("hopscope_tls_loads_total", "How often a certificate of the gRPC door was loaded.", loads),
        (
            "hopscope_tls_load_failures_total",
            "How often the files of the gRPC door's certificate were of no use, so that the old one stayed.",
            load_failures,
        ),
    ];
    for (name, help, value) in counters {
        text.single(name, Kind::Counter, help, value);
    }
    let refused = "hopscope_grpc_connections_rejected_total";
    text.family(refused, Kind::Counter, "Connections that were not served, by reason.");
    for (reason, count) in stats.unserved_by_reason() {
        text.sample(refused, &[("reason", reason)], count);
    }
    let skipped = "hopscope_access_log_entries_skipped_total";
    text.family(skipped, Kind::Counter, "Entries of access logs that are no records, by reason.");
    for (reason, count) in stats.skipped_by_reason() {
        text.sample(skipped, &[("reason", reason)], count);
    }
    let [connections, bytes, reports, streams] = stats.in_flight();
    let gauges = [
        ("hopscope_grpc_connections", "Open connections.", connections),
        ("hopscope_grpc_in_flight_bytes", "Bytes of messages that are not handled yet.", bytes),
        ("hopscope_grpc_in_flight_reports", "Reports that are read or handled.", reports),
        ("hopscope_grpc_long_streams", "Streams without end: access logs, health watches.", streams),
    ];
    for (name, help, value) in gauges {
        text.single(name, Kind::Gauge, help, value);
    }
    if let Some(ends_s) = stats.certificate_ends_s() {
        let name = "hopscope_tls_certificate_expiry_timestamp_seconds";
        text.single(name, Kind::Gauge, "When the certificate of the gRPC door ends, Unix time.", ends_s);
    }
}
