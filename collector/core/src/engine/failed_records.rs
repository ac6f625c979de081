//! The failed requests and connections of a report, on their way into the store of the last ones.
//!
//! In: a counted report. Out: its failed records, each with its edge. Always holds: a report without a failed outcome costs a
//! look at its outcomes; of each edge no more are copied than are kept of it, and the edge is named once.

use super::Pipeline;
use super::notable::Marked;
use crate::batch::{Detail, Edge, Identity, Record, Report};
use crate::identity::NamedEdge;
use crate::recent::failures::Failed;
use std::sync::Arc;

impl Pipeline {
    /// Keeps what failed.
    pub(super) fn keep_failures(
        &mut self,
        report: &Report,
        marked: &Marked,
        own: &Arc<Identity>,
        now_us: u64,
    ) {
        if !marked.has_failures() {
            return;
        }
        let folds = report.folds.iter().chain(&report.connections.folds);
        folds.filter(|fold| marked.is_failure(fold.outcome)).for_each(|fold| self.failures.fold(fold.count));
        let edge_max = self.failures.edge_records_max();
        let closed = report.connections.closed.iter().filter(|closed| marked.is_failure(closed.outcome));
        let all = [(by_edge(marked.failed(&report.records)), true), (by_edge(closed), false)];
        let mut details = Explained { report, known: Vec::new() };
        for (records, is_counted) in all {
            for of_edge in records.chunk_by(is_same_edge) {
                let (passed, last) = of_edge.split_at(of_edge.len().saturating_sub(edge_max));
                self.failures.pass_over(passed.len() as u64);
                let Some(edge) = last.first().map(|record| record.edge) else { continue };
                let failed = last.iter().map(|record| {
                    let ended = report.outcomes.get(record.outcome).copied().unwrap_or_default();
                    let detail = details.of(record.outcome);
                    Failed::of(record, &report.teller.proxy, ended, detail, now_us)
                });
                self.keep_failed(report, (edge, is_counted), own, failed, now_us);
            }
        }
    }

    /// Keeps failed records of one edge. `is_counted`: whether the edge is among those of the series.
    fn keep_failed(
        &mut self,
        report: &Report,
        (place, is_counted): (usize, bool),
        own: &Arc<Identity>,
        mut failed: impl Iterator<Item = Failed>,
        now_us: u64,
    ) {
        let known = is_counted.then(|| self.known(report, place, own));
        if let Some(number) = known.and_then(|known| known.counted.edge()) {
            let Self { aggregate, failures, .. } = self;
            let numbered = (number, aggregate.generation());
            match failures.put_numbered(numbered, || aggregate.name(number), failed, now_us) {
                Ok(()) => return,
                Err(back) => failed = back,
            }
        }
        let edge = report.edges.get(place).unwrap_or_default();
        let named = self.address_book.complete(own, &edge);
        let mut failed = failed.collect();
        if self.address_book.may_improve(&edge, &named) {
            let limits = (self.failures.edge_records_max(), self.failures.records_max());
            match self.failures_waiting.put((own.clone(), edge), failed, limits, now_us) {
                Ok(gone) => return self.failures.pass_over(gone),
                Err(back) => failed = back,
            }
        }
        self.failures.put(&Arc::new(named), failed, now_us);
    }

    /// Names those that wait and can be named now, or have waited long enough.
    pub(super) fn settle_failures(&mut self, now_us: u64) {
        if self.failures_waiting.is_empty() {
            return;
        }
        let generation = self.address_book.generation();
        let book = &mut self.address_book;
        let ready = |own: &Identity, edge: &Edge| {
            let named = book.complete(own, edge);
            !book.may_improve(edge, &named)
        };
        for ((own, edge), failed) in self.failures_waiting.take(now_us, generation, ready) {
            let named: NamedEdge = self.address_book.complete_at_last(&own, &edge);
            self.failures.put(&Arc::new(named), failed, now_us);
        }
    }
}

/// Those of an edge beside each other, the oldest first.
fn by_edge<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<&'a Record> {
    let mut records: Vec<&Record> = records.collect();
    records.sort_by_key(|record| record.edge);
    records
}

fn is_same_edge(one: &&Record, other: &&Record) -> bool {
    one.edge == other.edge
}

/// What explains outcomes, each copied once.
struct Explained<'a> {
    report: &'a Report,
    known: Vec<(usize, Detail)>,
}

impl Explained<'_> {
    fn of(&mut self, outcome: usize) -> Detail {
        if let Some((_, detail)) = self.known.iter().find(|(known, _)| *known == outcome) {
            return detail.clone();
        }
        let detail = self.report.details.get(outcome);
        self.known.push((outcome, detail.clone()));
        detail
    }
}
