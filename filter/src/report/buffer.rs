//! What waits for its turn to be reported.
//!
//! In: records. Out: batches, oldest first. Always holds: the [`Ledger`] balances; records take at most
//! `buffer_bytes_max` bytes (their tables of edges and outcomes aside), and at most `fold_rows_max` fold rows wait. When
//! there is no room for one more batch, the oldest is folded: its detail is lost, no count is. Only what the fold table
//! has no row for is dropped, and counted.

use crate::batch::Batch;
use crate::batch::fold::FoldTable;
use crate::config::{Config, Limits};
use crate::in_flight::connections::ConnectionTable;
use crate::in_flight::requests::RequestTable;
use crate::record::{Edge, MessageCounts, Outcome, Record, RequestStats};
use crate::report::ledger::{BatchContent, Ledger};
use hopscope_proto::v1::DropReason;
use std::rc::Rc;

/// Fold rows that one batch carries; the rest rides with the next.
const FOLD_ROWS_PER_BATCH: usize = 512;

/// Records on their way to becoming reports, and the books about them.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The books of this epoch.
    pub ledger: Ledger,
    /// Requests that have not ended; each batch tells of them.
    pub open: RequestTable,
    /// ConnectionTable that have not been closed; likewise.
    pub connections: ConnectionTable,
    filling: Batch,
    /// The oldest first. Not many wait, and the code of a queue is 1 kB in each proxy.
    waiting: Vec<Batch>,
    folds: FoldTable,
    since_us: Option<u64>,
    holds_failure: bool,
    folded: u64,
}

impl Buffer {
    /// Takes one record in.
    pub fn push(&mut self, record: &Record, config: &Config) {
        self.ledger.see();
        let Limits { batch_records_max, buffer_bytes_max, fold_rows_max, .. } = config.limits;
        let ended_us = record.stats.start_us.saturating_add(record.stats.duration_us);
        self.since_us = self.since_us.or(Some(ended_us));
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
        // One half fills while the other waits, at the least.
        let full = batch_records_max.min(records_max / 2);
        if self.filling.len() < full {
            return;
        }
        self.waiting.push(std::mem::take(&mut self.filling));
        while self.waiting.iter().map(Batch::len).sum::<usize>() > records_max.saturating_sub(full) {
            let batch = self.waiting.remove(0);
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
            self.ledger.drop(1, DropReason::FoldTableFull);
        }
    }

    /// Requests whose detail was given up.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Something is new of a connection that is open.
    pub fn note(&mut self, now_us: u64) {
        self.since_us = self.since_us.or(Some(now_us));
    }

    /// Whether as much waits as one report can carry, which is reason enough to report at once.
    #[must_use]
    pub fn is_pressing(&self) -> bool {
        !self.waiting.is_empty() || self.folds.len() >= FOLD_ROWS_PER_BATCH
    }

    /// Whether a failure waits.
    #[must_use]
    pub fn holds_failure(&self) -> bool {
        self.holds_failure
    }

    /// Since when the first of what waits does so, milliseconds since the Unix epoch; `None` when nothing waits.
    #[must_use]
    pub fn since_ms(&self) -> Option<u64> {
        self.since_us.map(|since_us| since_us / 1_000)
    }

    /// Takes the next batch out, with the fold rows that ride along, and books it as sent. `None` when nothing waits.
    pub fn pop(&mut self) -> Option<(Batch, BatchContent)> {
        let mut batch =
            if self.waiting.is_empty() { std::mem::take(&mut self.filling) } else { self.waiting.remove(0) };
        for (edge, outcome, fold) in self.folds.take(FOLD_ROWS_PER_BATCH) {
            batch.push_fold(&edge, &outcome, fold);
        }
        if self.waiting.is_empty() && self.filling.is_empty() && self.folds.is_empty() {
            self.since_us = None;
            self.holds_failure = false;
        }
        let content =
            BatchContent { records: u64::try_from(batch.len()).unwrap_or(u64::MAX), folded: batch.folded() };
        if content == BatchContent::default() {
            return None;
        }
        self.ledger.send(content);
        Some((batch, content))
    }
}
