//! What waits for its turn to be reported.
//!
//! In: records. Out: batches, oldest first. Always holds: the [`Ledger`] balances; at most
//! `batches_waiting_max + 1` batches and `fold_rows_max` fold rows wait. When one more batch is full, the oldest is
//! folded: its detail is lost, no count is. Only what the fold table has no row for is dropped, and counted.

use crate::batch::Batch;
use crate::config::Limits;
use crate::fold::FoldTable;
use crate::ledger::{Content, Ledger};
use crate::record::Record;
use hopscope_proto::v1::DropReason;
use std::collections::VecDeque;

/// Fold rows that one batch carries; the rest rides with the next.
const FOLD_ROWS_PER_BATCH: usize = 512;

/// Records on their way to becoming reports, and the books about them.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The books of this epoch.
    pub ledger: Ledger,
    open: Batch,
    waiting: VecDeque<Batch>,
    folds: FoldTable,
}

impl Buffer {
    /// Takes one record in.
    pub fn push(&mut self, record: Record, limits: &Limits) {
        self.ledger.see();
        self.open.push(record);
        if self.open.len() < limits.batch_records_max {
            return;
        }
        self.waiting.push_back(std::mem::take(&mut self.open));
        while self.waiting.len() > limits.batches_waiting_max {
            self.fold_oldest(limits.fold_rows_max);
        }
    }

    fn fold_oldest(&mut self, rows_max: usize) {
        let Some(batch) = self.waiting.pop_front() else { return };
        for (edge, outcome, measure) in batch.records() {
            if !self.folds.add(edge, outcome, measure, rows_max) {
                self.ledger.drop(1, DropReason::FoldTableFull);
            }
        }
    }

    /// Whether a full batch waits, which is reason enough to report before the interval is over.
    #[must_use]
    pub fn is_pressing(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes the next batch out, with the fold rows that ride along, and books it as sent. `None` when nothing waits.
    pub fn pop(&mut self) -> Option<(Batch, Content)> {
        let mut batch = self.waiting.pop_front().unwrap_or_else(|| std::mem::take(&mut self.open));
        if batch.is_empty() && self.folds.is_empty() {
            return None;
        }
        for (edge, outcome, fold) in self.folds.take(FOLD_ROWS_PER_BATCH) {
            batch.push_fold(&edge, outcome, fold);
        }
        let content =
            Content { records: u64::try_from(batch.len()).unwrap_or(u64::MAX), folded: batch.folded() };
        self.ledger.send(content);
        Some((batch, content))
    }
}
