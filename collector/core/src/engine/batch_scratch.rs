//! Where the requests of a batch are counted: one cell for each edge and outcome that it tells of.
//!
//! In: an edge and an outcome, as places in the batch. Out: what was found for both before, in this batch. Always holds:
//! nothing of one batch is seen in the next; the memory is kept for the next one.

use super::lookahead::Ahead;
use super::notable::Marked;
use super::tallies::Recent;
use crate::aggregate::SeriesId;
use crate::batch::Record;
use crate::histogram::RequestStats;
use crate::join::EdgeContext;
use std::collections::HashMap;

/// Where requests of one edge and outcome go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// Straight into a series.
    Series(SeriesId),
    /// Together, since their edge waits for a name: place in [`Cells::waiting`].
    Waiting(usize),
    /// One by one, since the join may find their callers: place in [`Cells::unnamed`].
    PendingCaller(usize),
}

/// A small number that stands for a [`Cell`]; 0 for none yet.
type Packed = u32;
const WAITS: Packed = 1 << 31;
const UNNAMED: Packed = 1 << 30;

/// As many cells stand in a table; a batch with more gets a map.
const TABLE_MAX: usize = 1 << 16;

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    outcomes: usize,
    table: Vec<Packed>,
    map: HashMap<(usize, usize), Packed>,
    /// Groups that wait: edge, outcome, measure.
    pub(super) waiting: Vec<(usize, usize, RequestStats)>,
    /// Edge and outcome of what the join may find the callers of; and what of that it will not.
    pub(super) unnamed: Vec<(usize, usize, RequestStats)>,
    /// Those requests, by their place there.
    pub(super) unnamed_records: Vec<(usize, Record)>,
    /// Series of what finds no room, and what they had counted before.
    pub(super) overflowing: Vec<(SeriesId, u64)>,
    /// For the look ahead.
    pub(super) ahead: Ahead,
    /// For a second look.
    pub(super) marked: Marked,
    /// For the windows.
    pub(super) recent: Recent,
    /// One per edge that has records; for the join.
    pub(super) lines: Vec<Option<EdgeContext>>,
}

impl Cells {
    /// Begins a batch.
    pub(super) fn begin(&mut self, edges: usize, outcomes: usize) {
        self.outcomes = outcomes;
        self.table.clear();
        self.map.clear();
        self.waiting.clear();
        self.unnamed.clear();
        self.unnamed_records.clear();
        self.overflowing.clear();
        self.ahead.begin(edges);
        self.lines.clear();
        self.lines.resize(edges, None);
        if let Some(size) = edges.checked_mul(outcomes).filter(|size| *size <= TABLE_MAX) {
            self.table.resize(size, 0);
        }
    }

    /// What was found before.
    #[inline]
    pub(super) fn get(&self, edge: usize, outcome: usize) -> Option<Cell> {
        let packed = match self.table.get(edge * self.outcomes + outcome) {
            Some(packed) => *packed,
            None => self.map.get(&(edge, outcome)).copied().unwrap_or(0),
        };
        match packed {
            0 => None,
            packed if packed & WAITS != 0 => Some(Cell::Waiting((packed & !WAITS) as usize)),
            packed if packed & UNNAMED != 0 => Some(Cell::PendingCaller((packed & !UNNAMED) as usize)),
            packed => Some(Cell::Series(SeriesId(packed - 1))),
        }
    }

    /// Notes what was found.
    pub(super) fn put(&mut self, edge: usize, outcome: usize, cell: Cell) {
        let packed = match cell {
            // There are far fewer series and edges than that.
            Cell::Series(number) => (number.0 + 1) & !(WAITS | UNNAMED),
            Cell::Waiting(place) => WAITS | u32::try_from(place).unwrap_or(0),
            Cell::PendingCaller(place) => UNNAMED | u32::try_from(place).unwrap_or(0),
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
    use super::{Cell, Cells};
    use crate::aggregate::SeriesId;

    #[test]
    fn what_was_found_is_found_again_in_this_report_only() {
        let mut cells = Cells::default();
        for size in [3, 1 << 20] {
            cells.begin(size, 2);
            assert_eq!(cells.get(2, 1), None);
            cells.put(2, 1, Cell::Series(SeriesId(0)));
            cells.put(0, 1, Cell::Waiting(0));
            cells.put(0, 0, Cell::PendingCaller(3));
            let found = [(2, 1), (0, 1), (0, 0), (1, 1)].map(|(edge, outcome)| cells.get(edge, outcome));
            let [series, waiting, unnamed] =
                [Cell::Series(SeriesId(0)), Cell::Waiting(0), Cell::PendingCaller(3)].map(Some);
            assert_eq!(found, [series, waiting, unnamed, None]);
        }
    }
}
