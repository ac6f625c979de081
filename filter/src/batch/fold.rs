//! Requests whose detail was given up under pressure.
//!
//! In: records that the buffer has no more room for. Out: one row per edge and outcome. Always holds: the sum of the
//! rows' counts is the number of requests added, and there are at most as many rows as the table was given.

use crate::batch::histogram::Histogram;
use crate::batch::intern::{EdgeInterner, Table};
use crate::record::{Edge, MessageCounts, Outcome, RequestStats};
use std::rc::Rc;

/// One row: many requests of one edge and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// How many.
    pub count: u64,
    /// Start of the earliest, microseconds since the Unix epoch.
    pub first_start_us: u64,
    /// Start of the latest.
    pub last_start_us: u64,
    /// Their durations.
    pub duration: Histogram,
    /// Sum of the requests' sizes.
    pub request_bytes_sum: u64,
    /// Sum of the responses' sizes.
    pub response_bytes_sum: u64,
    /// Their messages.
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

/// The table of rows.
#[derive(Debug, Default)]
pub struct FoldTable {
    edges: EdgeInterner,
    outcomes: Table<Outcome>,
    /// The key of each row.
    keys: Table<u64>,
    /// By the index of an edge, the outcome and the place of the row that was found for it last: most of its requests end alike.
    lately: Vec<(u32, u32)>,
    rows: Vec<Fold>,
}

impl FoldTable {
    /// Adds a request; `false` when it would need a row beyond `rows_max`.
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

    /// Adds the messages of requests that were added; those of a request that found no row have none either.
    pub fn add_messages(&mut self, edge: &Rc<Edge>, outcome: &Outcome, messages: MessageCounts) {
        if let Some(row) = self.row(edge, outcome) {
            row.messages.add(messages);
        }
    }

    fn row(&mut self, edge: &Rc<Edge>, outcome: &Outcome) -> Option<&mut Fold> {
        let (edge, outcome) = self.edges.find(edge).zip(self.outcomes.find(outcome))?;
        let lately = self.lately.get_mut(usize::try_from(edge).ok()?)?;
        if lately.0 != outcome {
            *lately = (outcome, self.keys.find(&key(edge, outcome))?);
        }
        self.rows.get_mut(usize::try_from(lately.1).ok()?)
    }

    /// Adds a row that is not there.
    fn insert(&mut self, edge: &Rc<Edge>, outcome: &Outcome, row: Fold) {
        let (edge, outcome) = (self.edges.index(edge), self.outcomes.index(outcome));
        let place = self.keys.index(&key(edge, outcome));
        if self.lately.len() < self.edges.values().len() {
            self.lately.push((outcome, place));
        }
        self.rows.push(row);
    }

    /// Whether no row waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes up to `rows_max` rows out, those that were there first.
    pub fn take(&mut self, rows_max: usize) -> Vec<(Rc<Edge>, Outcome, Fold)> {
        let Self { edges, outcomes, keys, rows, .. } = std::mem::take(self);
        let mut taken = Vec::with_capacity(rows.len().min(rows_max));
        for (key, fold) in keys.into_values().into_iter().zip(rows) {
            let (edge, outcome) = indexes(key);
            let (Some(edge), Some(outcome)) = (edges.get(edge), outcomes.get(outcome)) else { continue };
            if taken.len() < rows_max {
                taken.push((Rc::clone(edge), outcome.clone(), fold));
            } else {
                // Into new tables, which hold nothing that no row needs any more.
                self.insert(edge, outcome, fold);
            }
        }
        taken
    }
}

/// One number of both indexes: it is hashed for each request.
fn key(edge: u32, outcome: u32) -> u64 {
    u64::from(edge) << 32 | u64::from(outcome)
}

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

    /// Codes and durations in, rows out.
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
        let mut rows: Vec<_> = [table.take(1), table.take(usize::MAX)].concat();
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
    fn equal_ends_become_one_row() {
        check(&[(200, 5), (503, 7), (200, 6)], 8, "200×2 11us 0..2 20B, 503×1 7us 1..1 10B dropped=0");
    }

    #[test]
    fn a_full_table_still_takes_what_it_knows() {
        check(&[(200, 1), (503, 1), (200, 1), (404, 1)], 1, "200×2 2us 0..2 20B dropped=2");
        check(&[(200, 1)], 0, " dropped=1");
    }
}
