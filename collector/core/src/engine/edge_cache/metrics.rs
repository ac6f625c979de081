//! Metric families of the cache of edges.

use super::EdgeCache;
use crate::metrics::{Family, Metric, Visitor, families, visit};

static CACHE: [Metric<EdgeCache>; 2] = [
    Metric::counter(
        "hopscope_edge_cache_evicted_total",
        "Edges removed from the cache because it was full; they are resolved again.",
        |cache| Some(cache.evicted()),
    ),
    Metric::gauge(
        "hopscope_edge_cache_entries",
        "Edges whose resolution is cached, one per reporting proxy.",
        |cache| cache.len().into(),
    ),
];

/// All declarations.
pub(in crate::engine) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&CACHE)
}

impl EdgeCache {
    /// Visits the families of the cache.
    pub(in crate::engine) fn metrics(&self, to: &mut impl Visitor) {
        visit(&CACHE, self, to);
    }
}
