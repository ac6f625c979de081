//! The failed requests and connections of a report, on their way into the store of the last ones.
//!
//! In: a counted report. Out: its failed records, each with its edge. Always holds: a report without a failed outcome costs a
//! look at its outcomes; of each edge no more are copied than are kept of it, and the edge is named once.

use super::Pipeline;
use super::marked::Marked;
use crate::failures::Failed;
use crate::identity::NamedEdge;
use crate::report::{Detail, Edge, Identity, Record, Report};
use std::collections::{BTreeMap, VecDeque};
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
        let last = [
            (last_by_edge(marked.failed(&report.records), edge_max), true),
            (last_by_edge(closed, edge_max), false),
        ];
        let mut details: BTreeMap<usize, Detail> = BTreeMap::new();
        for ((by_edge, passed), is_counted) in last {
            self.failures.pass_over(passed);
            for (edge, records) in by_edge.into_iter().filter(|(_, records)| !records.is_empty()) {
                let failed = records.into_iter().map(|record| {
                    let outcome = record.outcome;
                    let detail = details.entry(outcome).or_insert_with(|| report.details.get(outcome));
                    let ended = report.outcomes.get(outcome).copied().unwrap_or_default();
                    Failed::of(record, &report.teller.proxy, ended, detail.clone(), now_us)
                });
                self.keep_failed(report, (edge, is_counted), own, failed.collect(), now_us);
            }
        }
    }

    /// Keeps failed records of one edge. `is_counted`: whether the edge is among those of the series.
    fn keep_failed(
        &mut self,
        report: &Report,
        (place, is_counted): (usize, bool),
        own: &Arc<Identity>,
        mut failed: VecDeque<Failed>,
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

type ByEdge<'a> = BTreeMap<usize, VecDeque<&'a Record>>;

/// The last of each edge, and how many others there are.
fn last_by_edge<'a>(records: impl Iterator<Item = &'a Record>, edge_max: usize) -> (ByEdge<'a>, u64) {
    let mut by_edge = ByEdge::new();
    let mut passed = 0;
    for record in records {
        let last = by_edge.entry(record.edge).or_default();
        last.push_back(record);
        if last.len() > edge_max {
            last.pop_front();
            passed += 1;
        }
    }
    (by_edge, passed)
}
