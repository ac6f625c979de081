//! Metric families of TCP connections and of long-lived streams.
//!
//! Source: Istio's `istio_tcp_*` metrics. "Sent" is to the client and "received" from the client,
//! at both reporters (`istio_stats.cc` reads the meter of the downstream connection).
//!
//! A stream is also a request: the families of requests contain its bytes after its end, so that
//! the families of streams are no part of those. They advance every few seconds: their rate is the
//! current throughput.

use super::{ConnectionSeries, Series};
use crate::aggregate::labels::{NAMES, SeriesLabels};
use crate::aggregate::projected::ExportedKey;
use crate::histogram::durations::BOUNDS_US;
use crate::identity::EdgeTable;
use crate::metrics::{
    Buckets, Cursor, Exemplar, Family, Group, Labels, Metric, Slice, Visitor, families, visit,
};

static TCP: [Metric<Series>; 5] = [
    Metric::<Series>::counter(
        "hopscope_tcp_connections_opened_total",
        "Opened TCP connections by edge, counted once the peer is known, at the latest at the end.",
        |series| Some(series.counts.opened),
    )
    .labels(&NAMES),
    Metric::<Series>::counter(
        "hopscope_tcp_connections_closed_total",
        "Closed TCP connections by edge and outcome.",
        |series| Some(series.counts.closed()),
    )
    .labels(&NAMES),
    Metric::<Series>::counter(
        "hopscope_tcp_sent_bytes_total",
        "Bytes sent to clients over TCP connections, including open ones, by edge and outcome.",
        |series| Some(series.counts.response_bytes),
    )
    .labels(&NAMES),
    Metric::<Series>::counter(
        "hopscope_tcp_received_bytes_total",
        "Bytes received from clients over TCP connections, including open ones, by edge and outcome.",
        |series| Some(series.counts.request_bytes),
    )
    .labels(&NAMES),
    Metric::<Series>::histogram(
        "hopscope_tcp_connection_duration_seconds",
        "Duration of closed TCP connections in seconds, by edge and outcome.",
        &BOUNDS_US,
        |series, native| Some(Buckets::of(series.counts.durations.histogram(), native)),
    )
    .labels(&NAMES),
];

static TCP_STAGE: [Metric<ConnectionSeries>; 2] = [
    Metric::counter(
        "hopscope_tcp_expired_connections_total",
        "Closed TCP connections that were counted in series removed after being idle.",
        |connections| Some(connections.expired_closed()),
    ),
    Metric::gauge("hopscope_tcp_series", "Series of TCP connections.", |connections| {
        connections.len().into()
    }),
];

/// Index of the first label that only the end of a stream determines, and the number of such
/// labels: protocol, response code, gRPC status and response flags.
const OF_THE_END: (usize, usize) = (20, 4);

/// Labels of a stream: those of a request without [`OF_THE_END`].
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const STREAM_LABELS: [&str; NAMES.len() - OF_THE_END.1] = {
    let mut names = [""; NAMES.len() - OF_THE_END.1];
    let mut index = 0;
    while index < names.len() {
        names[index] = NAMES[if index < OF_THE_END.0 { index } else { index + OF_THE_END.1 }];
        index += 1;
    }
    names
};

static STREAMS: [Metric<Series>; 3] = [
    Metric::<Series>::counter(
        "hopscope_streams_total",
        "Requests older than the threshold of their proxy whose bodies carried data, by edge.",
        |series| Some(series.counts.opened),
    )
    .labels(&STREAM_LABELS),
    Metric::<Series>::counter(
        "hopscope_stream_request_bytes_total",
        "Body bytes received from clients over streams, including open ones, by edge.",
        |series| Some(series.counts.request_bytes),
    )
    .labels(&STREAM_LABELS),
    Metric::<Series>::counter(
        "hopscope_stream_response_bytes_total",
        "Body bytes sent to clients over streams, including open ones, by edge.",
        |series| Some(series.counts.response_bytes),
    )
    .labels(&STREAM_LABELS),
];

static STREAMS_STAGE: [Metric<ConnectionSeries>; 1] =
    [Metric::gauge("hopscope_stream_series", "Series of streams.", |streams| streams.len().into())];

/// TCP connections or streams: families with the series of one [`ConnectionSeries`].
pub(crate) trait Flows: 'static {
    /// The families.
    const METRICS: &'static [Metric<Series>];

    /// Passes the labels of a series.
    fn labels(key: &ExportedKey, with: impl FnOnce(Labels<'_>));
}

/// Families of TCP connections, with one series per edge and outcome.
#[derive(Debug)]
pub(crate) struct Tcp;

impl Flows for Tcp {
    const METRICS: &'static [Metric<Series>] = &TCP;

    fn labels((key, exported): &ExportedKey, with: impl FnOnce(Labels<'_>)) {
        exported.select(&SeriesLabels::of(key).pairs(), with);
    }
}

/// Families of streams, with one series per edge.
#[derive(Debug)]
pub(crate) struct Streams;

impl Flows for Streams {
    const METRICS: &'static [Metric<Series>] = &STREAMS;

    fn labels((key, exported): &ExportedKey, with: impl FnOnce(Labels<'_>)) {
        let (mut labels, key) = ([("", ""); STREAM_LABELS.len()], SeriesLabels::of(key));
        let pairs = key.pairs();
        let of_edge = pairs.iter().take(OF_THE_END.0).chain(pairs.iter().skip(OF_THE_END.0 + OF_THE_END.1));
        labels.iter_mut().zip(of_edge).for_each(|(label, pair)| *label = *pair);
        exported.select(&labels, with);
    }
}

impl<F: Flows> Group for F {
    type Stage<'a> = (&'a EdgeTable, &'a ConnectionSeries);
    type Series = Series;
    type Key = ExportedKey;

    fn metrics() -> &'static [Metric<Series>] {
        F::METRICS
    }

    fn created_us(series: &Series) -> u64 {
        series.created_us
    }

    fn slice<T>(
        (edges, series): Self::Stage<'_>,
        from: Cursor,
        read: impl Fn(&Series, Option<Exemplar>) -> Option<T>,
    ) -> Slice<ExportedKey, T> {
        series.exported_slice(edges, from, read)
    }

    fn labels(key: &ExportedKey, with: impl FnOnce(Labels<'_>)) {
        <F as Flows>::labels(key, with);
    }
}

/// All declarations for TCP connections.
pub(crate) fn tcp_declared() -> impl Iterator<Item = &'static Family> {
    families(&TCP).chain(families(&TCP_STAGE))
}

/// All declarations for streams.
pub(crate) fn streams_declared() -> impl Iterator<Item = &'static Family> {
    families(&STREAMS).chain(families(&STREAMS_STAGE))
}

impl ConnectionSeries {
    /// Visits the families of the series of TCP connections as a whole.
    pub fn tcp_metrics(&self, to: &mut impl Visitor) {
        visit(&TCP_STAGE, self, to);
    }

    /// Visits the families of the series of streams as a whole.
    pub fn stream_metrics(&self, to: &mut impl Visitor) {
        visit(&STREAMS_STAGE, self, to);
    }
}
