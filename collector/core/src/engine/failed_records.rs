//! Failed requests and connections of a batch.
//!
//! In: a counted batch. Out: its failed records with their edges, for the store of the most recent
//! ones. Invariant: a batch without a failed outcome costs one read of its outcomes; of each edge
//! no more records are copied than are stored, and the edge is resolved once.

use super::Engine;
use super::edge_cache::Joins;
use super::notable::NotableRecords;
use crate::batch::{Batch, Detail, Identity, Record};
use crate::recent::failures::FailedRecord;
use std::sync::Arc;

impl Engine {
    /// Stores the failed records of a batch.
    pub(super) fn store_failures(
        &mut self,
        batch: &Batch,
        notable: &NotableRecords,
        own: &Arc<Identity>,
        now_us: u64,
    ) {
        if !notable.has_failures() {
            return;
        }
        let folds = batch.folds.iter().chain(&batch.connections.folds);
        folds
            .filter(|fold| notable.is_failure(fold.outcome))
            .for_each(|fold| self.failures.add_folded(fold.count));
        let edge_max = self.failures.edge_records_max();
        let closed = batch.connections.closed.iter().filter(|closed| notable.is_failure(closed.outcome));
        let all = [(by_edge(notable.failed(&batch.records)), true), (by_edge(closed), false)];
        let mut details = DetailCache { batch, known: Vec::new() };
        for (records, is_counted) in all {
            for of_edge in records.chunk_by(is_same_edge) {
                let (passed, last) = of_edge.split_at(of_edge.len().saturating_sub(edge_max));
                self.failures.add_skipped(passed.len() as u64);
                let Some(edge) = last.first().map(|record| record.edge) else { continue };
                let failed = last.iter().map(|record| {
                    let ended = batch.outcomes.get(record.outcome).copied().unwrap_or_default();
                    let detail = details.of(record.outcome);
                    FailedRecord::of(record, &batch.epoch_id.proxy, ended, detail, now_us)
                });
                self.store_failed(batch, (edge, is_counted), own, failed, now_us);
            }
        }
    }

    /// Stores failed records of one edge. `is_counted`: whether the batch has requests of the edge.
    fn store_failed(
        &mut self,
        batch: &Batch,
        (index, is_counted): (usize, bool),
        own: &Arc<Identity>,
        mut failed: impl Iterator<Item = FailedRecord>,
        now_us: u64,
    ) {
        let joins = if is_counted { Joins::Yes } else { Joins::No };
        if let Some(id) = self.cached_edge(batch, index, own, joins).counted.edge() {
            let Self { edges, failures, .. } = self;
            let keyed = (id, edges.generation());
            match failures.put_numbered(keyed, || edges.get(id).map(Arc::new), failed, now_us) {
                Ok(()) => return,
                Err(back) => failed = back,
            }
        }
        let edge = batch.edges.get(index).unwrap_or_default();
        let resolved = self.address_book.resolve(own, &edge);
        let mut failed = failed.collect();
        if self.address_book.may_improve(&edge, &resolved) {
            let limits = (self.failures.edge_records_max(), self.failures.records_max());
            match self.pending.add_failed((own, edge), failed, limits, now_us) {
                Ok(gone) => return self.failures.add_skipped(gone),
                Err(back) => failed = back,
            }
        }
        self.failures.put(&Arc::new(resolved), failed, now_us);
    }
}

/// Sorts records by edge, the oldest of each edge first.
fn by_edge<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<&'a Record> {
    let mut records: Vec<&Record> = records.collect();
    records.sort_by_key(|record| record.edge);
    records
}

fn is_same_edge(one: &&Record, other: &&Record) -> bool {
    one.edge == other.edge
}

/// Details of outcomes, each copied once.
struct DetailCache<'a> {
    batch: &'a Batch,
    known: Vec<(usize, Detail)>,
}

impl DetailCache<'_> {
    fn of(&mut self, outcome: usize) -> Detail {
        if let Some((_, detail)) = self.known.iter().find(|(known, _)| *known == outcome) {
            return detail.clone();
        }
        let detail = self.batch.details.get(outcome);
        self.known.push((outcome, detail.clone()));
        detail
    }
}
