//! Folded requests: exact counts and a histogram instead of single records.
//!
//! In: records beyond the capacity of the buffer. Out: one row per edge and outcome.
//! Invariant: the counts of all rows sum up to the number of added requests; the number of rows is
//! bounded by the caller.

use super::edge_interner::EdgeInterner;
use super::histogram::Histogram;
use super::intern::Interner;
use crate::record::{Edge, MessageCounts, Outcome, RequestStats};
use std::rc::Rc;

/// The requests of one edge and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// The number of requests.
    pub count: u64,
    /// Start of the earliest request, microseconds since the Unix epoch.
    pub first_start_us: u64,
    /// Start of the latest request.
    pub last_start_us: u64,
    /// Durations.
    pub duration: Histogram,
    /// Sum of the request sizes.
    pub request_bytes_sum: u64,
    /// Sum of the response sizes.
    pub response_bytes_sum: u64,
    /// Message counts of gRPC requests.
    pub messages: MessageCounts,
}

impl Fold {
    fn add(&mut self, stats: &RequestStats) {
        let first = self.count == 0;
        self.first_start_us = if first { stats.start_us } else { self.first_start_us.min(stats.start_us) };
        self.last_start_us = self.last_start_us.max(stats.start_us);
        self.count = self.count.saturating_add(1);
        self.duration.add(stats.duration_us);
        self.request_bytes_sum = self.request_bytes_sum.saturating_add(stats.request_bytes);
        self.response_bytes_sum = self.response_bytes_sum.saturating_add(stats.response_bytes);
    }
}

/// The fold rows, by edge and outcome.
#[derive(Debug, Default)]
pub struct FoldTable {
    edges: EdgeInterner,
    outcomes: Interner<Outcome>,
    /// The key of each row, see [`key`].
    keys: Interner<u64>,
    /// For each edge, the outcome and the row that were found last: most requests of an edge have
    /// equal outcomes.
    last_rows: Vec<(u32, u32)>,
    rows: Vec<Fold>,
}

impl FoldTable {
    /// Adds a request; `false` when it needs a row beyond `rows_max`.
    pub fn add(&mut self, edge: &Rc<Edge>, outcome: &Outcome, stats: &RequestStats, rows_max: usize) -> bool {
        if let Some(row) = self.row(edge, outcome) {
            row.add(stats);
            return true;
        }
        if self.rows.len() >= rows_max {
            return false;
        }
        let mut row = Fold::default();
        row.add(stats);
        self.insert(edge, outcome, row);
        true
    }

    /// Adds the messages of a request that was added; without a row they are dropped with the
    /// request.
    pub fn add_messages(&mut self, edge: &Rc<Edge>, outcome: &Outcome, messages: MessageCounts) {
        if let Some(row) = self.row(edge, outcome) {
            row.messages.add(messages);
        }
    }

    fn row(&mut self, edge: &Rc<Edge>, outcome: &Outcome) -> Option<&mut Fold> {
        let (edge, outcome) = self.edges.find(edge).zip(self.outcomes.find(outcome))?;
        let last_rows = self.last_rows.get_mut(usize::try_from(edge).ok()?)?;
        if last_rows.0 != outcome {
            *last_rows = (outcome, self.keys.find(&key(edge, outcome))?);
        }
        self.rows.get_mut(usize::try_from(last_rows.1).ok()?)
    }

    /// Adds a row that is absent.
    fn insert(&mut self, edge: &Rc<Edge>, outcome: &Outcome, row: Fold) {
        let (edge, outcome) = (self.edges.index(edge), self.outcomes.index(outcome));
        let row_index = self.keys.index(&key(edge, outcome));
        if self.last_rows.len() < self.edges.values().len() {
            self.last_rows.push((outcome, row_index));
        }
        self.rows.push(row);
    }

    /// Returns whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Removes up to `rows_max` rows, the oldest first.
    pub fn drain(&mut self, rows_max: usize) -> Vec<(Rc<Edge>, Outcome, Fold)> {
        let Self { edges, outcomes, keys, rows, .. } = std::mem::take(self);
        let mut drained = Vec::with_capacity(rows.len().min(rows_max));
        for (key, fold) in keys.into_values().into_iter().zip(rows) {
            let (edge, outcome) = indexes(key);
            let (Some(edge), Some(outcome)) = (edges.get(edge), outcomes.get(outcome)) else { continue };
            if drained.len() < rows_max {
                drained.push((Rc::clone(edge), outcome.clone(), fold));
            } else {
                // New interners, so that values without a row are freed.
                self.insert(edge, outcome, fold);
            }
        }
        drained
    }
}

/// Packs the indexes of edge and outcome into one number, which is hashed for each request.
fn key(edge: u32, outcome: u32) -> u64 {
    u64::from(edge) << 32 | u64::from(outcome)
}

/// Unpacks a [`key`].
fn indexes(key: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = key.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::FoldTable;
    use crate::record::{Outcome, RequestStats};
    use hopscope_proto::v1::DurationHistogram;
    use prost::Message;
    use std::rc::Rc;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Adds requests (code, duration) and checks the rows.
    #[track_caller]
    fn check(requests: &[(u32, u64)], rows_max: usize, expected: &str) {
        let mut table = FoldTable::default();
        let mut dropped = 0;
        for (i, &(response_code, duration_us)) in requests.iter().enumerate() {
            let outcome = Outcome { response_code, ..Outcome::default() };
            let stats = RequestStats {
                start_us: i as u64,
                duration_us,
                request_bytes: 10,
                ..RequestStats::default()
            };
            dropped += u64::from(!table.add(&Rc::default(), &outcome, &stats, rows_max));
        }
        let mut rows: Vec<_> = [table.drain(1), table.drain(usize::MAX)].concat();
        assert!(table.is_empty());
        rows.sort_by_key(|(_, outcome, _)| outcome.response_code);
        let counted: u64 = rows.iter().map(|(_, _, fold)| fold.count).sum();
        assert_eq!(counted + dropped, requests.len() as u64);
        let text: Vec<String> = rows
            .iter()
            .map(|(_, outcome, fold)| {
                let duration = fold.duration.encode().into_bytes();
                let sum = DurationHistogram::decode(duration.as_slice()).unwrap().sum_us;
                let code = outcome.response_code;
                let (first, last, bytes) = (fold.first_start_us, fold.last_start_us, fold.request_bytes_sum);
                format!("{code}×{} {sum}us {first}..{last} {bytes}B", fold.count)
            })
            .collect();
        assert_eq!(format!("{} dropped={dropped}", text.join(", ")), expected);
    }

    #[test]
    fn requests_of_equal_outcome_share_a_row() {
        check(&[(200, 5), (503, 7), (200, 6)], 8, "200×2 11us 0..2 20B, 503×1 7us 1..1 10B dropped=0");
    }

    #[test]
    fn a_full_table_accepts_requests_of_known_rows() {
        check(&[(200, 1), (503, 1), (200, 1), (404, 1)], 1, "200×2 2us 0..2 20B dropped=2");
        check(&[(200, 1)], 0, " dropped=1");
    }
}
