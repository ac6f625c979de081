//! TCP connections, as Istio counts them.
//!
//! In: the series of connections. Out: four counters and a histogram. Always holds: the labels are those of requests.
//!
//! Source: Istio's `istio_tcp_*` metrics. "Sent" is to the client and "received" from it, at both reporters
//! (`istio_stats.cc` reads the meter of the downstream).

use super::super::labels::Values;
use super::super::prometheus::{Buckets, Exposition, Kind, Names};
use super::FlowCounter;
use crate::runtime::reader::EngineReader;
use hopscope_core::aggregate::connections::Counts;

const COUNTERS: [FlowCounter; 4] = [
    (
        "hopscope_tcp_connections_opened_total",
        "TCP connections opened; told when their peer is known, or when they close.",
        |counts| counts.opened,
    ),
    ("hopscope_tcp_connections_closed_total", "TCP connections closed.", Counts::closed),
    (
        "hopscope_tcp_sent_bytes_total",
        "Bytes of TCP connections to their clients, while they live.",
        |counts| counts.response_bytes,
    ),
    (
        "hopscope_tcp_received_bytes_total",
        "Bytes of TCP connections from their clients, while they live.",
        |counts| counts.request_bytes,
    ),
];

/// All families.
pub(super) fn families(text: &mut Exposition<'_>, looks: &EngineReader) {
    let seen = looks.look(|engine| {
        let connections = &engine.connections();
        (super::copied(engine.edges(), connections), connections.expired_closed())
    });
    let Some((rows, expired_closed)) = seen else { return text.give_up() };
    let size = rows.len() as u64;
    let spelled = |key| text.spell(&Values::of(key).pairs());
    let rows: Vec<_> = rows.iter().map(|(key, series)| (spelled(key), series)).collect();
    super::counters(text, &COUNTERS, &rows);
    const NAME: &str = "hopscope_tcp_connection_duration_seconds";
    text.family(NAME, Kind::Histogram, "How long closed TCP connections lasted.");
    let names = Names::durations(NAME);
    let unit = text.native_unit(&names);
    for (labels, series) in &rows {
        let buckets = Buckets::of(series.counts.durations.histogram(), unit);
        text.histogram(&names, labels, &buckets, Some(series.created_us));
    }
    text.single(
        "hopscope_tcp_expired_connections_total",
        Kind::Counter,
        "Closed TCP connections of series that were taken out since they were idle.",
        expired_closed,
    );
    text.single("hopscope_tcp_series", Kind::Gauge, "Series of TCP connections.", size);
}
