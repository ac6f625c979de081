//! Metric families of the last failures.

use super::{Evicted, Failures};
use crate::metrics::{Family, Metric, Visitor, families, visit, visit_rows};

static COUNTERS: [Metric<Failures>; 2] = [
    Metric::counter(
        "hopscope_failures_total",
        "Failed requests and connections received as individual records.",
        |failures| Some(failures.seen()),
    ),
    Metric::counter(
        "hopscope_failures_folded_total",
        "Failed requests and connections received in fold rows, without detail.",
        |failures| Some(failures.folded()),
    ),
];

static EVICTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_failures_evicted_total",
    "Stored failures removed in favour of later ones, by the limit that was reached.",
    &["reason"],
)];

static RECORDS: [Metric<Failures>; 1] = [Metric::gauge(
    "hopscope_failures_records",
    "Failed requests and connections stored with full detail.",
    |failures| failures.len().into(),
)];

static PENDING: [Metric<usize>; 1] = [Metric::gauge(
    "hopscope_failures_pending",
    "Failed requests and connections whose peer is not resolved yet.",
    |pending| (*pending).into(),
)];

static SIZES: [Metric<Failures>; 2] = [
    Metric::gauge("hopscope_failures_edges", "Edges with stored failures.", |failures| {
        failures.edges().into()
    }),
    Metric::gauge("hopscope_failures_bytes", "Memory used by stored failures in bytes.", |failures| {
        failures.bytes().into()
    }),
];

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    let stored = families(&RECORDS).chain(families(&PENDING)).chain(families(&SIZES));
    families(&COUNTERS).chain(families(&EVICTED)).chain(stored)
}

impl Failures {
    /// Visits the families of the stage. `pending`: failures whose peer is not resolved yet.
    pub fn metrics(&self, pending: usize, to: &mut impl Visitor) {
        visit(&COUNTERS, self, to);
        let evicted = Evicted::ALL.map(|reason| ([reason.label()], self.evicted(reason)));
        visit_rows(&EVICTED, &evicted, to);
        visit(&RECORDS, self, to);
        visit(&PENDING, &pending, to);
        visit(&SIZES, self, to);
    }
}
