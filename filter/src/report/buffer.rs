//! Buffered records.
//!
//! In: records. Out: batches, oldest first.
//! Invariant: the [`Ledger`] balances. Records use at most `buffer_bytes_max` bytes (apart from
//! their edges and outcomes), and there are at most `fold_rows_max` fold rows. When the buffer is
//! full, the oldest batch is folded: detail is lost, no count is. A request without a fold row is
//! dropped and counted.

use super::ledger::{BatchContent, Ledger};
use crate::batch::{Batch, FoldTable};
use crate::config::{Config, Limits};
use crate::record::{Edge, MessageCounts, Outcome, Record, RequestStats};
use hopscope_proto::v1::DropReason;
use std::rc::Rc;

/// Fold rows of one batch; the next batch carries the rest.
const FOLD_ROWS_PER_BATCH: usize = 512;

/// Records that wait to be sent, and the ledger.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The ledger of this epoch.
    pub ledger: Ledger,
    filling: Batch,
    /// Full batches, the oldest first. There are few of them, and the code of a `VecDeque` is 1 kB
    /// in each proxy.
    full: Vec<Batch>,
    folds: FoldTable,
    since_us: Option<u64>,
    holds_failure: bool,
    folded: u64,
}

impl Buffer {
    /// Adds a record that ended now.
    pub fn push(&mut self, record: &Record, config: &Config, now_us: u64) {
        self.ledger.count_seen();
        let Limits { batch_records_max, buffer_bytes_max, fold_rows_max, .. } = config.limits;
        self.since_us = self.since_us.or(Some(now_us));
        self.holds_failure |= record.outcome.has_failed();
        if !record.has_own_row(config.detail, config.slow_ms) {
            self.fold(&record.edge, &record.outcome, &record.stats, fold_rows_max);
            if record.messages != MessageCounts::default() {
                self.folds.add_messages(&record.edge, &record.outcome, record.messages);
            }
            return;
        }
        self.filling.push(record);
        let records_max = buffer_bytes_max / Batch::RECORD_BYTES;
        // At least one half fills while the other half waits.
        let full_len = batch_records_max.min(records_max / 2);
        if self.filling.len() < full_len {
            return;
        }
        self.full.push(std::mem::take(&mut self.filling));
        while self.full.iter().map(Batch::len).sum::<usize>() > records_max.saturating_sub(full_len) {
            let batch = self.full.remove(0);
            for (edge, outcome, stats) in batch.records() {
                self.fold(edge, outcome, stats, fold_rows_max);
            }
            for (edge, outcome, messages) in batch.messages() {
                self.folds.add_messages(edge, outcome, messages);
            }
        }
    }

    fn fold(&mut self, edge: &Rc<Edge>, outcome: &Outcome, stats: &RequestStats, rows_max: usize) {
        if self.folds.add(edge, outcome, stats, rows_max) {
            self.folded = self.folded.saturating_add(1);
        } else {
            self.ledger.count_dropped(1, DropReason::FoldTableFull);
        }
    }

    /// Returns the number of folded requests.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Notes a new byte delta of a connection, so that the next report becomes due.
    pub fn note_delta(&mut self, now_us: u64) {
        self.since_us = self.since_us.or(Some(now_us));
    }

    /// Returns whether the buffer fills a report, which then is due at once.
    #[must_use]
    pub fn fills_a_report(&self) -> bool {
        !self.full.is_empty() || self.folds.len() >= FOLD_ROWS_PER_BATCH
    }

    /// Returns whether a failure is buffered.
    #[must_use]
    pub fn holds_failure(&self) -> bool {
        self.holds_failure
    }

    /// Returns the end of the oldest buffered request, milliseconds of the steady clock; `None` when
    /// the buffer is empty.
    #[must_use]
    pub fn since_ms(&self) -> Option<u64> {
        self.since_us.map(|since_us| since_us / 1_000)
    }

    /// Removes the next batch, with the next fold rows, and counts it as sent. `None` when the
    /// buffer is empty.
    pub fn pop(&mut self) -> Option<(Batch, BatchContent)> {
        let mut batch =
            if self.full.is_empty() { std::mem::take(&mut self.filling) } else { self.full.remove(0) };
        for (edge, outcome, fold) in self.folds.drain(FOLD_ROWS_PER_BATCH) {
            batch.push_fold(&edge, &outcome, fold);
        }
        if self.full.is_empty() && self.filling.is_empty() && self.folds.is_empty() {
            self.since_us = None;
            self.holds_failure = false;
        }
        let content =
            BatchContent { records: u64::try_from(batch.len()).unwrap_or(u64::MAX), folded: batch.folded() };
        if content == BatchContent::default() {
            return None;
        }
        self.ledger.count_sent(content);
        Some((batch, content))
    }
}
