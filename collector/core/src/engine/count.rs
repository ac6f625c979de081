//! The requests of a batch are counted and joined.
//!
//! In: a batch that was not taken before, and who tells it. Out: series, what waits for a name, windows, hops. Always holds: each
//! request is in one cell; what an edge is called is looked up once, as long as nothing changes by which it would be another.

use super::batch_scratch::{BatchScratch, Slot};
use super::edge_cache::{CachedEdge, Counted, Joins, NO_PEER};
use super::lookahead;
use super::{ALIVE_INTERVAL_US, Engine};
use crate::batch::{Batch, EdgeFingerprint, Identity};
use crate::histogram::RequestStats;
use crate::identity::{self, ReportedEdge};
use crate::join::ReporterContext;
use std::sync::Arc;

impl Engine {
    /// Counts and joins the requests of a batch.
    pub(super) fn count_all(&mut self, batch: &Batch, own: &Arc<Identity>, now_us: u64) {
        let reporter = self.join.is_enabled().then(|| self.join.reporter_context(batch, now_us));
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.begin(batch.edges.len(), batch.outcomes.len());
        scratch.tallies.begin(batch);
        scratch.notable.begin(&batch.outcomes);
        let prefetches = batch.edges.len() >= lookahead::EDGES_MIN;
        let mut index = 0;
        for records in batch.records.chunks(lookahead::RECORDS) {
            if prefetches {
                self.prefetch_edges(&mut scratch.lookahead, batch, records, own);
            }
            for record in records {
                let slot =
                    self.slot(&mut scratch, batch, (record.edge, record.outcome), own, reporter, now_us);
                scratch.notable.note(index, record);
                index += 1;
                match slot {
                    Slot::Series(_) => {
                        scratch.tallies.record(record, scratch.notable.is_failure(record.outcome))
                    }
                    Slot::Pending(_) => {}
                    Slot::PendingCaller(index) => {
                        scratch.caller_records.push((index, *record));
                        continue;
                    }
                }
                if let Some(stats) = self.stats(&mut scratch, slot) {
                    stats.record(record);
                }
            }
        }
        for fold in &batch.folds {
            let slot = self.slot(&mut scratch, batch, (fold.edge, fold.outcome), own, reporter, now_us);
            if let Slot::Series(_) = slot {
                scratch.tallies.fold(fold, scratch.notable.is_failure(fold.outcome));
            }
            if let Some(stats) = self.stats(&mut scratch, slot) {
                stats.fold(fold);
            }
        }
        // Whose requests are among the above.
        for messages in &batch.messages {
            if let Some(slot) = scratch.get(messages.edge, messages.outcome)
                && let Some(stats) = self.stats(&mut scratch, slot)
            {
                stats.add_messages(messages.request, messages.response);
            }
        }
        for (number, before) in scratch.overflowing.drain(..) {
            let after = self.aggregate.get_mut(number).map_or(0, |series| series.stats.count());
            self.aggregate.overflow(after.saturating_sub(before));
        }
        self.add_to_windows(batch, &scratch.tallies, own, now_us);
        for (edge, outcome, stats) in std::mem::take(&mut scratch.pending) {
            let (Some(edge), Some(outcome)) = (batch.edges.get(edge), batch.outcomes.get(outcome)) else {
                continue;
            };
            let reported = ReportedEdge { own: own.clone(), edge, outcome: *outcome };
            self.pend_requests(&reported, &stats, now_us);
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
    fn stats<'a>(&'a mut self, scratch: &'a mut BatchScratch, slot: Slot) -> Option<&'a mut RequestStats> {
        match slot {
            Slot::Series(number) => self.aggregate.get_mut(number).map(|series| &mut series.stats),
            Slot::Pending(index) => scratch.pending.get_mut(index).map(|(_, _, stats)| stats),
            Slot::PendingCaller(index) => scratch.by_join.get_mut(index).map(|(_, _, rest)| rest),
        }
    }

    /// The cell of an edge and an outcome. Part of each loop that asks: nearly always it is one look.
    #[inline(always)]
    fn slot(
        &mut self,
        scratch: &mut BatchScratch,
        batch: &Batch,
        (edge, outcome): (usize, usize),
        own: &Arc<Identity>,
        reporter: Option<ReporterContext>,
        now_us: u64,
    ) -> Slot {
        match scratch.get(edge, outcome) {
            Some(slot) => slot,
            None => self.find(scratch, batch, (edge, outcome), own, reporter, now_us),
        }
    }

    /// Finds the cell of an edge and an outcome that come first in a batch.
    #[inline(never)]
    fn find(
        &mut self,
        scratch: &mut BatchScratch,
        batch: &Batch,
        (edge, outcome): (usize, usize),
        own: &Arc<Identity>,
        reporter: Option<ReporterContext>,
        now_us: u64,
    ) -> Slot {
        let known = self.cached_edge(batch, edge, own, Joins::Yes);
        self.note_alive(batch, (edge, outcome), known.peer, now_us);
        if let (Some(reporter), Some(joined), Some(edge_context)) =
            (reporter, &known.joined, scratch.edge_contexts.get_mut(edge))
            && edge_context.is_none()
        {
            *edge_context = Some(self.join.edge_context(joined, reporter, now_us));
        }
        let slot = if known.counted == Counted::PENDING {
            scratch.pending.push((edge, outcome, RequestStats::default()));
            Slot::Pending(scratch.pending.len() - 1)
        } else if known.counted == Counted::BY_JOIN {
            scratch.by_join.push((edge, outcome, RequestStats::default()));
            Slot::PendingCaller(scratch.by_join.len() - 1)
        } else {
            scratch.tallies.set_edge(edge, known.counted.edge());
            let reporter = batch.edges.reporter(edge).unwrap_or_default();
            let ended = batch.outcomes.get(outcome).copied().unwrap_or_default();
            let (number, overflows) = self.aggregate.series(
                &self.edges,
                known.counted.edge(),
                (reporter, &own.namespace),
                ended,
                now_us,
            );
            if overflows && !scratch.overflowing.iter().any(|(known, _)| *known == number) {
                let before = self.aggregate.get_mut(number).map_or(0, |series| series.stats.count());
                scratch.overflowing.push((number, before));
            }
            Slot::Series(number)
        };
        scratch.put(edge, outcome, slot);
        slot
    }

    /// Notes that the other end of an edge is alive, if that is known and how the request ended shows it.
    fn note_alive(&mut self, batch: &Batch, (edge, outcome): (usize, usize), peer: u32, now_us: u64) {
        let (Some(reporter), Some(ended)) = (batch.edges.reporter(edge), batch.outcomes.get(outcome)) else {
            return;
        };
        if peer != NO_PEER
            && identity::shows_alive(reporter, ended)
            && let Some(proxy) = self.edge_cache.note_alive(peer, ALIVE_INTERVAL_US, now_us)
        {
            self.address_book.note_alive(proxy, now_us);
        }
    }

    /// What is known of an edge of a batch, from the cache or resolved again.
    pub(super) fn cached_edge(
        &mut self,
        batch: &Batch,
        index: usize,
        own: &Arc<Identity>,
        joins: Joins,
    ) -> CachedEdge {
        let fingerprint = fingerprint_of(batch, index, own);
        let joins = joins == Joins::Yes && self.join.is_enabled();
        let is_current =
            |known: &&CachedEdge| known.generation == self.generation() && (known.joined.is_some() || !joins);
        if let Some(known) = self.edge_cache.get(fingerprint).filter(is_current) {
            return *known;
        }
        let edge = batch.edges.get(index).unwrap_or_default();
        self.address_book.learn(&edge, own);
        let resolved = self.address_book.resolve(own, &edge);
        let may_improve = self.address_book.may_improve(&edge, &resolved);
        let peer = self.address_book.peer_proxy(&edge);
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
        let known = CachedEdge { generation: self.generation(), counted, joined, peer };
        self.edge_cache.put(fingerprint, known);
        known
    }

    /// Grows with everything by which an edge would be named, counted or joined in another way.
    #[expect(clippy::cast_possible_truncation, reason = "what is known does not live for 2^32 changes")]
    pub(super) fn generation(&self) -> u32 {
        let stages = self.address_book.generation() + self.aggregate.generation() + self.join.generation();
        (stages + self.edges.generation()) as u32
    }
}

/// What an edge is known by. The same edge told by another proxy is another one; an identity that changes changes the
/// generation, too.
#[inline]
pub(super) fn fingerprint_of(batch: &Batch, index: usize, own: &Arc<Identity>) -> EdgeFingerprint {
    let EdgeFingerprint(left, right) = batch.edges.fingerprint(index).unwrap_or_default();
    EdgeFingerprint(left ^ (Arc::as_ptr(own) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), right)
}
