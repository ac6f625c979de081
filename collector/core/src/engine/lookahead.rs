//! A look ahead: what the edges of the next records need is fetched for all of them together.
//!
//! In: records that are about to be counted. Out: nothing; their edges, series and counters are on their way into the cache.
//! Always holds: nothing changes by it; each edge of a batch is looked at once.
//!
//! A proxy with many edges tells of another one with nearly each record, and in a large mesh none of what such a record needs is
//! in the cache. One after the other every record would wait for memory five times. Here each step is a loop of its own, whose
//! reads do not depend on each other, so that a processor has many of them under way at a time.

use super::Engine;
use super::count::fingerprint_of;
use crate::aggregate::Fetch;
use crate::batch::{Batch, Identity, Record};
use std::hint::black_box;
use std::sync::Arc;

/// Reports with fewer edges have them in the cache soon.
pub(super) const EDGES_MIN: usize = 16;
/// So many records are looked at together; what they need fits the second cache.
pub(super) const RECORDS: usize = 256;

/// Room for the edges at hand.
#[derive(Debug, Default)]
pub(super) struct Lookahead {
    /// Whether an edge was looked at.
    seen: Vec<bool>,
    /// Places in the memo.
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
    /// Fetches what the edges of these records need.
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
        let known = || indices.iter().filter_map(|index| self.edge_cache.at(*index));
        for step in [Fetch::Edge, Fetch::Series, Fetch::Counters] {
            let of_series = known().filter_map(|known| known.counted.edge());
            black_box(of_series.fold(0, |sum, edge| sum ^ self.aggregate.fetch(edge, step)));
            if step != Fetch::Edge {
                let of_windows = known().filter_map(|known| known.counted.edge());
                let slot = step == Fetch::Counters;
                black_box(of_windows.fold(0, |sum, edge| sum ^ self.windows.fetch(edge, slot)));
                let of_hops = known().filter_map(|known| known.joined.as_ref());
                let counters = step == Fetch::Counters;
                black_box(of_hops.fold(0, |sum, joined| sum ^ self.join.fetch(joined, counters)));
            }
        }
    }
}
