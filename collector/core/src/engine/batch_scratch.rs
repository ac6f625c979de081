//! Memory that counting a batch needs: one slot for each edge and outcome, and lists of requests.
//!
//! In: indices of an edge and an outcome in the batch. Out: the slot that was assigned to both.
//! Invariant: no slot is visible in the next batch, which reuses the memory.

use super::lookahead::Lookahead;
use super::notable::NotableRecords;
use super::tallies::BatchTallies;
use crate::aggregate::SeriesId;
use crate::batch::Record;
use crate::histogram::RequestStats;
use crate::join::EdgeContext;
use std::collections::HashMap;

/// Destination of the requests of one edge and outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A series.
    Series(SeriesId),
    /// A group that is pending resolution: index in [`BatchScratch::pending`].
    Pending(usize),
    /// A group whose callers the join may infer, request by request: index in
    /// [`BatchScratch::by_join`].
    PendingCaller(usize),
}

/// A [`Slot`] in 4 bytes; 0 where none is assigned.
type Packed = u32;
const PENDING: Packed = 1 << 31;
const BY_JOIN: Packed = 1 << 30;

/// Largest number of slots in a table; a batch with more edges and outcomes uses a map.
const TABLE_MAX: usize = 1 << 16;

/// Slots and lists of one batch.
#[derive(Debug, Default)]
pub(crate) struct BatchScratch {
    outcomes: usize,
    table: Vec<Packed>,
    map: HashMap<(usize, usize), Packed>,
    /// Groups that are pending resolution: edge, outcome, statistics.
    pub(super) pending: Vec<(usize, usize, RequestStats)>,
    /// Groups whose callers the join may infer: edge, outcome, and statistics of the requests whose
    /// callers it cannot infer.
    pub(super) by_join: Vec<(usize, usize, RequestStats)>,
    /// Requests whose callers the join may infer, each with the index of its group in `by_join`.
    pub(super) caller_records: Vec<(usize, Record)>,
    /// Overflow series, each with its number of requests before this batch.
    pub(super) overflowing: Vec<(SeriesId, u64)>,
    /// Edges whose memory was prefetched.
    pub(super) lookahead: Lookahead,
    /// Failed and slow records.
    pub(super) notable: NotableRecords,
    /// Statistics for the windows.
    pub(super) tallies: BatchTallies,
    /// Context of the join for each edge that has records.
    pub(super) edge_contexts: Vec<Option<EdgeContext>>,
}

impl BatchScratch {
    /// Begins a batch.
    pub(super) fn begin(&mut self, edges: usize, outcomes: usize) {
        self.outcomes = outcomes;
        self.table.clear();
        self.map.clear();
        self.pending.clear();
        self.by_join.clear();
        self.caller_records.clear();
        self.overflowing.clear();
        self.lookahead.begin(edges);
        self.edge_contexts.clear();
        self.edge_contexts.resize(edges, None);
        if let Some(size) = edges.checked_mul(outcomes).filter(|size| *size <= TABLE_MAX) {
            self.table.resize(size, 0);
        }
    }

    /// Returns the slot of an edge and an outcome, if one is assigned.
    #[inline]
    pub(super) fn get(&self, edge: usize, outcome: usize) -> Option<Slot> {
        let packed = match self.table.get(edge * self.outcomes + outcome) {
            Some(packed) => *packed,
            None => self.map.get(&(edge, outcome)).copied().unwrap_or(0),
        };
        match packed {
            0 => None,
            packed if packed & PENDING != 0 => Some(Slot::Pending((packed & !PENDING) as usize)),
            packed if packed & BY_JOIN != 0 => Some(Slot::PendingCaller((packed & !BY_JOIN) as usize)),
            packed => Some(Slot::Series(SeriesId(packed - 1))),
        }
    }

    /// Assigns a slot.
    pub(super) fn put(&mut self, edge: usize, outcome: usize, slot: Slot) {
        let packed = match slot {
            // Series and edges are far fewer than 2^30.
            Slot::Series(number) => (number.0 + 1) & !(PENDING | BY_JOIN),
            Slot::Pending(index) => PENDING | u32::try_from(index).unwrap_or(0),
            Slot::PendingCaller(index) => BY_JOIN | u32::try_from(index).unwrap_or(0),
        };
        match self.table.get_mut(edge * self.outcomes + outcome) {
            Some(slot) => *slot = packed,
            None => {
                self.map.insert((edge, outcome), packed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchScratch, Slot};
    use crate::aggregate::SeriesId;

    #[test]
    fn a_slot_is_visible_in_its_own_batch_only() {
        let mut scratch = BatchScratch::default();
        for size in [3, 1 << 20] {
            scratch.begin(size, 2);
            assert_eq!(scratch.get(2, 1), None);
            scratch.put(2, 1, Slot::Series(SeriesId(0)));
            scratch.put(0, 1, Slot::Pending(0));
            scratch.put(0, 0, Slot::PendingCaller(3));
            let found = [(2, 1), (0, 1), (0, 0), (1, 1)].map(|(edge, outcome)| scratch.get(edge, outcome));
            let [series, pending, by_join] =
                [Slot::Series(SeriesId(0)), Slot::Pending(0), Slot::PendingCaller(3)].map(Some);
            assert_eq!(found, [series, pending, by_join, None]);
        }
    }
}
