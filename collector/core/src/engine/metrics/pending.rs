//! Metric families of requests that are pending resolution, and of the cache of edges.

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

static EDGE_CACHE: [Metric<Engine>; 2] = [
    Metric::counter(
        "hopscope_edge_cache_evicted_total",
        "Edges removed from the cache because it was full; they are resolved again.",
        |engine| Some(engine.cached_edges().1),
    ),
    Metric::gauge(
        "hopscope_edge_cache_entries",
        "Edges whose resolution is cached, one per reporting proxy.",
        |engine| engine.cached_edges().0.into(),
    ),
];

/// Declarations for pending requests.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&PENDING)
}

/// Declarations for the cache of edges.
pub(super) fn cache_declared() -> impl Iterator<Item = &'static Family> {
    families(&EDGE_CACHE)
}

impl Engine {
    /// Visits the families of pending requests. Read before the series of requests, so that a
    /// request that is resolved in between is counted twice rather than not at all.
    pub(super) fn pending_metrics(&self, to: &mut impl Visitor) {
        visit(&PENDING, self, to);
    }

    /// Visits the families of the cache of edges.
    pub(super) fn edge_cache_metrics(&self, to: &mut impl Visitor) {
        visit(&EDGE_CACHE, self, to);
    }
}
