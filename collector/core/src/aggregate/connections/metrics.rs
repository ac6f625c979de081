//! Metric families of TCP connections and of long-lived streams.
//!
//! Source: Istio's `istio_tcp_*` metrics. "Sent" is to the client and "received" from the client,
//! at both reporters (`istio_stats.cc` reads the meter of the downstream connection).
//!
//! A stream is also a request: the families of requests contain its bytes after its end, so that
//! the families of streams are no part of those. They advance every few seconds: their rate is the
//! current throughput.

use super::{ConnectionSeries, Series};
use crate::aggregate::Key;
use crate::aggregate::labels::{NAMES, SeriesLabels};
use crate::histogram::durations::BOUNDS_US;
use crate::identity::EdgeTable;
use crate::metrics::{
    Buckets, Exemplar, Family, Group, Labels, Metric, SLICE, Slice, Visitor, families, visit,
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

/// Labels that only the end of a stream determines.
const OF_THE_END: [&str; 4] = ["request_protocol", "response_code", "grpc_response_status", "response_flags"];

/// Labels of a stream: those of a request without [`OF_THE_END`].
const STREAM_LABELS: [&str; 22] = [
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_canonical_service",
    "source_canonical_revision",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_cluster",
    "connection_security_policy",
    "peer_evidence",
];

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

/// Series of connections or streams, copied in one access: they are few compared with those of
/// requests, and their map has no cursor.
#[derive(Debug)]
pub(crate) struct Copied(Vec<(Key, Series)>);

impl Copied {
    /// Copies all series.
    pub(crate) fn of(edges: &EdgeTable, series: &ConnectionSeries) -> Self {
        Self(series.iter(edges).map(|(key, series)| (key, series.clone())).collect())
    }

    fn slice<T>(&self, from: usize, read: impl Fn(&Series, Option<Exemplar>) -> Option<T>) -> Slice<Key, T> {
        let to = from.saturating_add(SLICE);
        let rows = self.0.get(from..to.min(self.0.len())).unwrap_or_default();
        let rows = rows.iter().filter_map(|(key, series)| Some((key.clone(), read(series, None)?)));
        Slice { rows: rows.collect(), next: (to < self.0.len()).then_some(to) }
    }
}

/// Families of TCP connections, with one series per edge and outcome.
#[derive(Debug)]
pub(crate) struct Tcp;

impl Group for Tcp {
    type Stage<'a> = &'a Copied;
    type Series = Series;
    type Key = Key;

    fn metrics() -> &'static [Metric<Series>] {
        &TCP
    }

    fn created_us(series: &Series) -> u64 {
        series.created_us
    }

    fn slice<T>(
        stage: &Copied,
        from: usize,
        read: impl Fn(&Series, Option<Exemplar>) -> Option<T>,
    ) -> Slice<Key, T> {
        stage.slice(from, read)
    }

    fn labels(key: &Key, with: impl FnOnce(Labels<'_>)) {
        with(&SeriesLabels::of(key).pairs());
    }
}

/// Families of streams, with one series per edge.
#[derive(Debug)]
pub(crate) struct Streams;

impl Group for Streams {
    type Stage<'a> = &'a Copied;
    type Series = Series;
    type Key = Key;

    fn metrics() -> &'static [Metric<Series>] {
        &STREAMS
    }

    fn created_us(series: &Series) -> u64 {
        series.created_us
    }

    fn slice<T>(
        stage: &Copied,
        from: usize,
        read: impl Fn(&Series, Option<Exemplar>) -> Option<T>,
    ) -> Slice<Key, T> {
        stage.slice(from, read)
    }

    fn labels(key: &Key, with: impl FnOnce(Labels<'_>)) {
        let labels = SeriesLabels::of(key);
        let labels = labels.pairs().into_iter().filter(|(name, _)| !OF_THE_END.contains(name));
        with(&labels.collect::<Vec<_>>());
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
