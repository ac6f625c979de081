//! Metric families of the windows.

use super::{Refused, Windows};
use crate::metrics::{Family, Metric, Visitor, families, visit, visit_rows};

static SIZES: [Metric<Windows>; 3] = [
    Metric::gauge("hopscope_windows_edges", "Edges with windows.", |windows| windows.usage().0.into()),
    Metric::gauge(
        "hopscope_windows_instances",
        "Addresses of destination instances that windows distinguish.",
        |windows| windows.usage().1.into(),
    ),
    Metric::gauge(
        "hopscope_windows_bytes",
        "Memory used by windows and their instances in bytes, estimated.",
        |windows| windows.usage().2.into(),
    ),
];

static REJECTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_windows_rejected_requests_total",
    "Counted requests that are in no window, by reason.",
    &["reason"],
)];

static OTHER: [Metric<Windows>; 1] = [Metric::counter(
    "hopscope_windows_other_requests_total",
    "Requests whose destination instance is part of `other` because the limit was reached.",
    |windows| Some(windows.others()),
)];

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&SIZES).chain(families(&REJECTED)).chain(families(&OTHER))
}

impl Windows {
    /// Visits the families of the stage.
    pub fn metrics(&self, to: &mut impl Visitor) {
        visit(&SIZES, self, to);
        let rejected = Refused::ALL.map(|reason| ([reason.label()], self.refused(reason)));
        visit_rows(&REJECTED, &rejected, to);
        visit(&OTHER, self, to);
    }
}
