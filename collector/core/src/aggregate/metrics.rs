//! Metric families of the series of requests.
//!
//! Invariant: the sum of `hopscope_requests_total` and `hopscope_series_expired_requests_total` is
//! the number of requests that were counted.

use super::labels::{NAMES, SeriesLabels};
use super::projected::ExportedKey;
use super::{Aggregate, Series};
use crate::histogram::BOUNDS_BYTES;
use crate::histogram::durations::BOUNDS_US;
use crate::identity::EdgeTable;
use crate::metrics::{
    Buckets, Cursor, Exemplar, Family, Group, Labels, Metric, Slice, Visitor, families, visit,
};

static REQUESTS: [Metric<Series>; 6] = [
    Metric::<Series>::counter(
        "hopscope_requests_total",
        "Finished requests by edge and outcome.",
        |series| Some(series.stats.count()),
    )
    .labels(&NAMES),
    Metric::<Series>::histogram(
        "hopscope_request_duration_seconds",
        "Duration of finished requests in seconds, by edge and outcome.",
        &BOUNDS_US,
        |series, native| Some(Buckets::of(series.stats.durations(), native)),
    )
    .labels(&NAMES)
    .with_exemplars(),
    Metric::<Series>::counter(
        "hopscope_request_messages_total",
        "gRPC messages sent by clients, by edge and outcome.",
        |series| series.stats.messages().map(|messages| messages.request),
    )
    .labels(&NAMES),
    Metric::<Series>::counter(
        "hopscope_response_messages_total",
        "gRPC messages received by clients, by edge and outcome.",
        |series| series.stats.messages().map(|messages| messages.response),
    )
    .labels(&NAMES),
    Metric::<Series>::histogram(
        "hopscope_request_bytes",
        "Size of finished requests in bytes, headers and body, by edge and outcome.",
        &BOUNDS_BYTES,
        |series, native| Some(Buckets::of(series.stats.request_sizes(), native)),
    )
    .labels(&NAMES),
    Metric::<Series>::histogram(
        "hopscope_response_bytes",
        "Size of responses in bytes, headers and body, by edge and outcome.",
        &BOUNDS_BYTES,
        |series, native| Some(Buckets::of(series.stats.response_sizes(), native)),
    )
    .labels(&NAMES),
];

static STAGE: [Metric<Aggregate>; 6] = [
    Metric::counter(
        "hopscope_series_overflow_requests_total",
        "Requests counted in an overflow series because the limit on series was reached.",
        |aggregate| Some(aggregate.overflowed()),
    ),
    Metric::counter("hopscope_series_expired_total", "Series removed after being idle.", |aggregate| {
        Some(aggregate.expired().0)
    }),
    Metric::counter(
        "hopscope_series_expired_requests_total",
        "Requests of exported series that ended, since all of their series were idle.",
        |aggregate| Some(aggregate.expired().1),
    ),
    Metric::gauge("hopscope_series", "Series of requests with their own labels.", |aggregate| {
        aggregate.named().into()
    }),
    Metric::gauge(
        "hopscope_exported_series",
        "Series of requests that differ in the exported labels, overflow series included.",
        |aggregate| aggregate.exported().into(),
    ),
    Metric::gauge("hopscope_edges", "Edges that have series of requests.", |aggregate| {
        aggregate.edges().into()
    }),
];

/// Families of requests, with one series per edge and outcome.
#[derive(Debug)]
pub(crate) struct Requests;

impl Group for Requests {
    type Stage<'a> = (&'a EdgeTable, &'a Aggregate);
    type Series = Series;
    type Key = ExportedKey;

    fn metrics() -> &'static [Metric<Series>] {
        &REQUESTS
    }

    fn created_us(series: &Series) -> u64 {
        series.created_us()
    }

    fn slice<T>(
        (edges, aggregate): Self::Stage<'_>,
        from: Cursor,
        read: impl Fn(&Series, Option<Exemplar>) -> Option<T>,
    ) -> Slice<ExportedKey, T> {
        aggregate.exported_slice(edges, from, read)
    }

    fn labels((key, exported): &ExportedKey, with: impl FnOnce(Labels<'_>)) {
        exported.select(&SeriesLabels::of(key).pairs(), with);
    }
}

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&REQUESTS).chain(families(&STAGE))
}

impl Aggregate {
    /// Visits the families of the stage itself.
    pub fn metrics(&self, to: &mut impl Visitor) {
        visit(&STAGE, self, to);
    }
}
