//! Requests whose caller only the join can infer.
//!
//! In: requests of a batch whose caller is unknown, and the callers that the join inferred. Out:
//! the same requests in series, with their caller or with an unknown one. Invariant: each request
//! is counted once, after the join has matched it or given it up; a request that cannot be matched
//! is counted at once.

use super::Engine;
use super::batch_scratch::BatchScratch;
use crate::batch::{Batch, Identity, Record, Text};
use crate::histogram::RequestStats;
use crate::identity::{PendingCaller, ReportedEdge};
use std::collections::HashMap;
use std::sync::Arc;

/// Requests grouped by edge and outcome, as a batch reported them, and by calling proxy.
#[derive(Default)]
struct Groups {
    /// Groups in the order of their first request, so that a replay counts them in the same order.
    groups: Vec<(Arc<ReportedEdge>, Option<Text>, RequestStats)>,
    /// Index of each group.
    index: HashMap<GroupKey, usize>,
}

/// Key of a group. The address of the edge is faster to hash than all of its texts.
type GroupKey = (*const ReportedEdge, Option<Text>);

impl Groups {
    fn add(&mut self, reported: &Arc<ReportedEdge>, caller: Option<Text>, record: &Record) {
        let Self { groups, index } = self;
        let index = *index.entry((Arc::as_ptr(reported), caller.clone())).or_insert_with(|| {
            groups.push((reported.clone(), caller, RequestStats::default()));
            groups.len() - 1
        });
        if let Some((.., stats)) = groups.get_mut(index) {
            stats.record(record);
        }
    }

    fn all(self) -> impl Iterator<Item = (Arc<ReportedEdge>, Option<Text>, RequestStats)> {
        self.groups.into_iter()
    }
}

impl Engine {
    /// Makes the requests of a batch whose caller is unknown pending. To be called before the join
    /// applies the batch, which may infer callers at once.
    pub(super) fn pend_callers(
        &mut self,
        batch: &Batch,
        scratch: &mut BatchScratch,
        own: &Arc<Identity>,
        now_us: u64,
    ) {
        if scratch.by_join.is_empty() {
            return;
        }
        let reported = scratch.by_join.iter().map(|(edge, outcome, _)| {
            let outcome = batch.outcomes.get(*outcome).copied().unwrap_or_default();
            Arc::new(ReportedEdge {
                own: own.clone(),
                edge: batch.edges.get(*edge).unwrap_or_default(),
                outcome,
            })
        });
        let reported: Vec<_> = reported.collect();
        let until_us = self.join.inference_deadline_us(now_us);
        for (index, record) in scratch.caller_records.drain(..) {
            let (Some(reported), Some((edge, _, rest))) =
                (reported.get(index), scratch.by_join.get_mut(index))
            else {
                continue;
            };
            let edge_context = scratch.edge_contexts.get(*edge).and_then(Option::as_ref);
            let key =
                edge_context.and_then(|edge_context| self.join.inference_key(&record, edge_context, now_us));
            if !key.is_some_and(|key| self.pending_callers.insert(key, reported, &record, until_us)) {
                rest.record(&record);
            }
        }
        for ((.., rest), reported) in scratch.by_join.drain(..).zip(reported) {
            if rest.count() > 0 || rest.messages().is_some() {
                let resolved = self.address_book.resolve(&reported.own, &reported.edge);
                self.count_as(&resolved, &reported, &rest, now_us);
            }
        }
    }

    /// Counts the requests whose callers the join has inferred.
    pub(super) fn count_inferred(&mut self, now_us: u64) {
        let found = self.join.take_inferred_callers();
        if found.is_empty() || self.pending_callers.is_empty() {
            return;
        }
        let mut groups = Groups::default();
        for caller in found {
            if let Some(PendingCaller { reported, record, .. }) =
                self.pending_callers.remove(caller.key, |record| caller.matches(record))
            {
                groups.add(&reported, caller.proxy, &record);
            }
        }
        for (reported, proxy, stats) in groups.all() {
            match proxy {
                Some(proxy) => {
                    let resolved =
                        self.address_book.resolve_with_caller(&reported.own, &reported.edge, &proxy);
                    self.count_as(&resolved, &reported, &stats, now_us);
                }
                None => self.count(&reported, &stats, now_us),
            }
        }
    }

    /// Counts the requests that are due up to `until_us`, without a caller.
    pub(super) fn count_uninferred(&mut self, until_us: u64, now_us: u64) {
        let mut groups = Groups::default();
        for PendingCaller { reported, record, .. } in self.pending_callers.remove_due(until_us) {
            groups.add(&reported, None, &record);
        }
        for (reported, _, stats) in groups.all() {
            self.count(&reported, &stats, now_us);
        }
    }
}
