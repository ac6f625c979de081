//! Requests of a batch: counted in series and windows, and joined to hops.
//!
//! In: a batch that was not accepted before, and the identity of its proxy. Out: series, pending
//! groups, windows, and hops. Invariant: each request is counted in one slot; an edge is resolved
//! once, until the generation of a stage changes.

use super::Engine;
use super::batch_scratch::{BatchScratch, Slot};
use super::edge_cache::{CachedEdge, Counted, Joins, NO_PEER, fingerprint_of};
use super::lookahead;
use crate::batch::{Batch, Identity};
use crate::histogram::RequestStats;
use crate::identity::{self, ReportedEdge};
use crate::join::ReporterContext;
use std::sync::Arc;

/// A batch with the facts that all of its rows share.
#[derive(Clone, Copy)]
struct Reported<'a> {
    batch: &'a Batch,
    /// Identity of the proxy.
    own: &'a Arc<Identity>,
    /// Context of the join; `None` where the join is off.
    reporter: Option<ReporterContext>,
    now_us: u64,
}

impl Engine {
    /// Counts and joins the requests of a batch.
    pub(super) fn count_all(&mut self, batch: &Batch, own: &Arc<Identity>, now_us: u64) {
        let reporter = self.join.is_enabled().then(|| self.join.reporter_context(batch, now_us));
        let reported = Reported { batch, own, reporter, now_us };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.begin(batch.edges.len(), batch.outcomes.len());
        scratch.tallies.begin(batch);
        scratch.notable.begin(&batch.outcomes);
        self.count_records(&mut scratch, reported);
        self.count_folds(&mut scratch, reported);
        self.count_messages(&mut scratch, batch);
        for (id, before) in scratch.overflowing.drain(..) {
            let after = self.aggregate.get_mut(id).map_or(0, |series| series.stats.count());
            self.aggregate.overflow(after.saturating_sub(before));
        }
        self.add_to_windows(batch, &scratch.tallies, own, now_us);
        for (edge, outcome, stats) in std::mem::take(&mut scratch.pending) {
            let (Some(edge), Some(outcome)) = (batch.edges.get(edge), batch.outcomes.get(outcome)) else {
                continue;
            };
            let pending = ReportedEdge { own: own.clone(), edge, outcome: *outcome };
            self.pend_requests(&pending, &stats, now_us);
        }
        self.pend_callers(batch, &mut scratch, own, now_us);
        if reporter.is_some() {
            self.join.enable_caller_inference(!self.pending_callers.is_empty());
            self.join.apply(batch, &scratch.edge_contexts, now_us);
        }
        self.count_inferred(now_us);
        self.scratch = scratch;
    }

    #[inline]
    fn count_records(&mut self, scratch: &mut BatchScratch, reported: Reported<'_>) {
        let Reported { batch, own, .. } = reported;
        let prefetches = batch.edges.len() >= lookahead::EDGES_MIN;
        let mut index = 0;
        for records in batch.records.chunks(lookahead::RECORDS) {
            if prefetches {
                self.prefetch_edges(&mut scratch.lookahead, batch, records, own);
            }
            for record in records {
                let slot = self.slot(scratch, reported, (record.edge, record.outcome));
                scratch.notable.note(index, record);
                index += 1;
                match slot {
                    Slot::Series(_) => {
                        scratch.tallies.record(record, scratch.notable.is_failure(record.outcome));
                    }
                    Slot::Pending(_) => {}
                    Slot::PendingCaller(group) => {
                        scratch.caller_records.push((group, *record));
                        continue;
                    }
                }
                if let Some(stats) = self.stats(scratch, slot) {
                    stats.record(record);
                }
            }
        }
    }

    fn count_folds(&mut self, scratch: &mut BatchScratch, reported: Reported<'_>) {
        for fold in &reported.batch.folds {
            let slot = self.slot(scratch, reported, (fold.edge, fold.outcome));
            if let Slot::Series(_) = slot {
                scratch.tallies.fold(fold, scratch.notable.is_failure(fold.outcome));
            }
            if let Some(stats) = self.stats(scratch, slot) {
                stats.fold(fold);
            }
        }
    }

    /// Adds gRPC messages. Their requests are among the records and folds, so every slot exists.
    fn count_messages(&mut self, scratch: &mut BatchScratch, batch: &Batch) {
        for messages in &batch.messages {
            if let Some(slot) = scratch.get(messages.edge, messages.outcome)
                && let Some(stats) = self.stats(scratch, slot)
            {
                stats.add_messages(messages.request, messages.response);
            }
        }
    }

    #[inline]
    fn stats<'a>(&'a mut self, scratch: &'a mut BatchScratch, slot: Slot) -> Option<&'a mut RequestStats> {
        match slot {
            Slot::Series(id) => self.aggregate.get_mut(id).map(|series| &mut series.stats),
            Slot::Pending(index) => scratch.pending.get_mut(index).map(|(_, _, stats)| stats),
            Slot::PendingCaller(index) => scratch.by_join.get_mut(index).map(|(_, _, rest)| rest),
        }
    }

    /// Returns the slot of an edge and an outcome. Inlined into the loops over records and folds,
    /// where it is nearly always a single read of the table.
    #[inline(always)]
    fn slot(
        &mut self,
        scratch: &mut BatchScratch,
        reported: Reported<'_>,
        (edge, outcome): (usize, usize),
    ) -> Slot {
        match scratch.get(edge, outcome) {
            Some(slot) => slot,
            None => self.assign_slot(scratch, reported, (edge, outcome)),
        }
    }

    /// Assigns a slot to an edge and an outcome that occur for the first time in a batch.
    #[inline(never)]
    fn assign_slot(
        &mut self,
        scratch: &mut BatchScratch,
        Reported { batch, own, reporter, now_us }: Reported<'_>,
        (edge, outcome): (usize, usize),
    ) -> Slot {
        let cached = self.cached_edge(batch, edge, own, Joins::Yes);
        self.note_alive(batch, (edge, outcome), cached.peer, now_us);
        if let (Some(reporter), Some(joined), Some(edge_context)) =
            (reporter, &cached.joined, scratch.edge_contexts.get_mut(edge))
            && edge_context.is_none()
        {
            *edge_context = Some(self.join.edge_context(joined, reporter, now_us));
        }
        let slot = if cached.counted == Counted::PENDING {
            scratch.pending.push((edge, outcome, RequestStats::default()));
            Slot::Pending(scratch.pending.len() - 1)
        } else if cached.counted == Counted::BY_JOIN {
            scratch.by_join.push((edge, outcome, RequestStats::default()));
            Slot::PendingCaller(scratch.by_join.len() - 1)
        } else {
            scratch.tallies.set_edge(edge, cached.counted.edge());
            let reporter = batch.edges.reporter(edge).unwrap_or_default();
            let ended = batch.outcomes.get(outcome).copied().unwrap_or_default();
            let (id, overflows) = self.aggregate.series(
                &self.edges,
                cached.counted.edge(),
                (reporter, &own.namespace),
                ended,
                now_us,
            );
            if overflows && !scratch.overflowing.iter().any(|(known, _)| *known == id) {
                let before = self.aggregate.get_mut(id).map_or(0, |series| series.stats.count());
                scratch.overflowing.push((id, before));
            }
            Slot::Series(id)
        };
        scratch.put(edge, outcome, slot);
        slot
    }

    /// Notes that the peer of an edge is alive, if its proxy is known and the outcome shows it.
    fn note_alive(&mut self, batch: &Batch, (edge, outcome): (usize, usize), peer: u32, now_us: u64) {
        let (Some(reporter), Some(ended)) = (batch.edges.reporter(edge), batch.outcomes.get(outcome)) else {
            return;
        };
        if peer != NO_PEER
            && identity::shows_alive(reporter, ended)
            && let Some(proxy) = self.edge_cache.note_alive(peer, now_us)
        {
            self.address_book.note_alive(proxy, now_us);
        }
    }

    /// Returns an edge of a batch from the cache; resolves it if it is absent or out of date.
    pub(super) fn cached_edge(
        &mut self,
        batch: &Batch,
        index: usize,
        own: &Arc<Identity>,
        joins: Joins,
    ) -> CachedEdge {
        let fingerprint = fingerprint_of(batch, index, own);
        let joins = joins == Joins::Yes && self.join.is_enabled();
        let is_current = |cached: &&CachedEdge| {
            cached.generation == self.generation() && (cached.joined.is_some() || !joins)
        };
        if let Some(cached) = self.edge_cache.get(fingerprint).filter(is_current) {
            return *cached;
        }
        let edge = batch.edges.get(index).unwrap_or_default();
        self.address_book.learn(&edge, own);
        let resolved = self.address_book.resolve(own, &edge);
        let may_improve = self.address_book.may_improve(&edge, &resolved);
        let peer = self.address_book.peer_proxy(own, &edge);
        let joined = joins.then(|| self.join.edge_ids(&resolved, peer));
        let peer = peer.map_or(NO_PEER, |peer| self.edge_cache.peer(peer));
        let needs_caller = self.join.is_enabled() && self.address_book.needs_caller(&edge, &resolved);
        let counted = if needs_caller {
            Counted::BY_JOIN
        } else if may_improve {
            Counted::PENDING
        } else {
            Counted::of(self.request_edge_id(&resolved))
        };
        let cached = CachedEdge { generation: self.generation(), counted, joined, peer };
        self.edge_cache.put(fingerprint, cached);
        cached
    }

    /// Sum of the generations of the stages, which grows whenever an edge may be resolved, counted
    /// or joined differently.
    #[expect(clippy::cast_possible_truncation, reason = "a cached edge does not outlive 2^32 changes")]
    pub(super) fn generation(&self) -> u32 {
        let stages = self.address_book.generation() + self.aggregate.generation() + self.join.generation();
        (stages + self.edges.generation()) as u32
    }
}
