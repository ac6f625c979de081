//! Where the requests of a batch are counted: one cell for each edge and outcome that it tells of.
//!
//! In: an edge and an outcome, as places in the batch. Out: what was found for both before, in this batch. Always holds:
//! nothing of one batch is seen in the next; the memory is kept for the next one.

use super::lookahead::Lookahead;
use super::notable::NotableRecords;
use super::tallies::BatchTallies;
use crate::aggregate::SeriesId;
use crate::batch::Record;
use crate::histogram::RequestStats;
use crate::join::EdgeContext;
use std::collections::HashMap;

/// Where requests of one edge and outcome go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Straight into a series.
    Series(SeriesId),
    /// Together, since their edge waits for a name: place in [`Cells::waiting`].
    Pending(usize),
    /// One by one, since the join may find their callers: place in [`Cells::unnamed`].
    PendingCaller(usize),
}

/// A small number that stands for a [`Cell`]; 0 for none yet.
type Packed = u32;
const PENDING: Packed = 1 << 31;
const BY_JOIN: Packed = 1 << 30;

/// As many cells stand in a table; a batch with more gets a map.
const TABLE_MAX: usize = 1 << 16;

/// See above.
#[derive(Debug, Default)]
pub(crate) struct BatchScratch {
    outcomes: usize,
    table: Vec<Packed>,
    map: HashMap<(usize, usize), Packed>,
    /// Groups that wait: edge, outcome, measure.
    pub(super) pending: Vec<(usize, usize, RequestStats)>,
    /// Edge and outcome of what the join may find the callers of; and what of that it will not.
    pub(super) by_join: Vec<(usize, usize, RequestStats)>,
    /// Those requests, by their place there.
    pub(super) caller_records: Vec<(usize, Record)>,
    /// Series of what finds no room, and what they had counted before.
    pub(super) overflowing: Vec<(SeriesId, u64)>,
    /// For the look ahead.
    pub(super) lookahead: Lookahead,
    /// For a second look.
    pub(super) notable: NotableRecords,
    /// For the windows.
    pub(super) tallies: BatchTallies,
    /// One per edge that has records; for the join.
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

    /// What was found before.
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

    /// Notes what was found.
    pub(super) fn put(&mut self, edge: usize, outcome: usize, slot: Slot) {
        let packed = match slot {
            // There are far fewer series and edges than that.
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
    fn what_was_found_is_found_again_in_this_report_only() {
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
