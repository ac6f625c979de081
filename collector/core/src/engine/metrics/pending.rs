//! Metric families of requests that are pending resolution.

use crate::engine::Engine;
use crate::metrics::{Family, Metric, Visitor, families, visit};

static PENDING: [Metric<Engine>; 5] = [
    Metric::counter(
        "hopscope_caller_inference_rejected_total",
        "Requests not kept for caller inference because too many were pending.",
        |engine| Some(engine.pending_callers.rejected()),
    ),
    Metric::counter(
        "hopscope_identity_pending_rejected_total",
        "Values resolved at once, with less detail, because too many groups were pending.",
        |engine| Some(engine.pending.rejected()),
    ),
    Metric::gauge(
        "hopscope_identity_pending_groups",
        "Groups of requests, by reported edge and outcome, whose peer is not resolved yet.",
        |engine| engine.pending.len().into(),
    ),
    Metric::gauge(
        "hopscope_caller_inference_pending_requests",
        "Requests whose caller the join may still infer.",
        |engine| engine.pending_callers.len().into(),
    ),
    Metric::gauge(
        "hopscope_identity_pending_requests",
        "Requests whose peer is not resolved yet, in groups or for caller inference.",
        |engine| engine.pending.requests().saturating_add(engine.pending_callers.len() as u64).into(),
    ),
];

/// Declarations for pending requests.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&PENDING)
}

impl Engine {
    /// Visits the families of pending requests. Read before the series of requests, so that a
    /// request that is resolved in between is counted twice rather than not at all.
    pub(super) fn pending_metrics(&self, to: &mut impl Visitor) {
        visit(&PENDING, self, to);
    }
}
