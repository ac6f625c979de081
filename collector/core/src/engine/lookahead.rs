//! Prefetching of the memory that the next records need: their edges, series and counters.
//!
//! In: records that are counted next. Out: their memory in the processor's cache. Invariant: no
//! state of the engine changes; each edge of a batch is prefetched once.
//!
//! For a proxy with many edges nearly each record has another edge, and in a large mesh no part of
//! its memory is in the processor's cache. Record by record, there would be five cache misses in a
//! row. Here each step is a loop of its own, whose reads do not depend on each other, so that the
//! processor overlaps the misses.

use super::Engine;
use super::edge_cache::fingerprint_of;
use crate::aggregate::Fetch;
use crate::batch::{Batch, Identity, Record};
use std::hint::black_box;
use std::sync::Arc;

/// Smallest number of edges of a batch for which prefetching pays.
pub(super) const EDGES_MIN: usize = 16;
/// Number of records that are prefetched together; their memory fits into the L2 cache.
pub(super) const RECORDS: usize = 256;

/// Edges of one batch that were prefetched.
#[derive(Debug, Default)]
pub(super) struct Lookahead {
    /// Whether an edge was prefetched.
    seen: Vec<bool>,
    /// Indices in the edge cache.
    indices: Vec<u32>,
}

impl Lookahead {
    /// Begins a batch.
    pub(super) fn begin(&mut self, edges: usize) {
        self.seen.clear();
        self.seen.resize(edges, false);
    }
}

impl Engine {
    /// Prefetches the memory that counting these records needs.
    pub(super) fn prefetch_edges(
        &self,
        lookahead: &mut Lookahead,
        batch: &Batch,
        records: &[Record],
        own: &Arc<Identity>,
    ) {
        let Lookahead { seen, indices } = lookahead;
        indices.clear();
        for record in records {
            let seen = seen.get_mut(record.edge).is_none_or(|seen| std::mem::replace(seen, true));
            if !seen {
                indices.extend(self.edge_cache.index(fingerprint_of(batch, record.edge, own)));
            }
        }
        let cached = || indices.iter().filter_map(|index| self.edge_cache.at(*index));
        for step in [Fetch::Edge, Fetch::Series, Fetch::Counters] {
            let of_series = cached().filter_map(|cached| cached.counted.edge());
            black_box(of_series.fold(0, |sum, edge| sum ^ self.aggregate.fetch(edge, step)));
            if step != Fetch::Edge {
                let of_windows = cached().filter_map(|cached| cached.counted.edge());
                let counters = step == Fetch::Counters;
                black_box(of_windows.fold(0, |sum, edge| sum ^ self.windows.fetch(edge, counters)));
                let of_hops = cached().filter_map(|cached| cached.joined.as_ref());
                black_box(of_hops.fold(0, |sum, joined| sum ^ self.join.fetch(joined, counters)));
            }
        }
    }
}
