//! The requests of a batch are counted and joined.
//!
//! In: a batch that was not taken before, and who tells it. Out: series, what waits for a name, windows, hops. Always holds: each
//! request is in one cell; what an edge is called is looked up once, as long as nothing changes by which it would be another.

use super::batch_scratch::{Cell, Cells};
use super::edge_cache::{Counted, Joins, Known, NOBODY};
use super::lookahead;
use super::{Engine, MEET_AGAIN_US};
use crate::batch::{Batch, EdgeFingerprint, Identity};
use crate::histogram::RequestStats;
use crate::identity::{self, ReportedEdge};
use crate::join::ReporterContext;
use std::sync::Arc;

impl Engine {
    /// Counts and joins the requests of a batch.
    pub(super) fn count_all(&mut self, batch: &Batch, own: &Arc<Identity>, now_us: u64) {
        let tells = self.join.is_enabled().then(|| self.join.reporter_context(batch, now_us));
        let mut cells = std::mem::take(&mut self.scratch);
        cells.begin(batch.edges.len(), batch.outcomes.len());
        cells.recent.begin(batch);
        cells.marked.begin(&batch.outcomes);
        let looks_ahead = batch.edges.len() >= lookahead::EDGES_MIN;
        let mut place = 0;
        for records in batch.records.chunks(lookahead::RECORDS) {
            if looks_ahead {
                self.look_ahead(&mut cells.ahead, batch, records, own);
            }
            for record in records {
                let cell = self.cell(&mut cells, batch, (record.edge, record.outcome), own, tells, now_us);
                cells.marked.look(place, record);
                place += 1;
                match cell {
                    Cell::Series(_) => cells.recent.record(record, cells.marked.is_failure(record.outcome)),
                    Cell::Waiting(_) => {}
                    Cell::PendingCaller(place) => {
                        cells.unnamed_records.push((place, *record));
                        continue;
                    }
                }
                if let Some(measure) = self.measure(&mut cells, cell) {
                    measure.record(record);
                }
            }
        }
        for fold in &batch.folds {
            let cell = self.cell(&mut cells, batch, (fold.edge, fold.outcome), own, tells, now_us);
            if let Cell::Series(_) = cell {
                cells.recent.fold(fold, cells.marked.is_failure(fold.outcome));
            }
            if let Some(measure) = self.measure(&mut cells, cell) {
                measure.fold(fold);
            }
        }
        // Whose requests are among the above.
        for messages in &batch.messages {
            if let Some(cell) = cells.get(messages.edge, messages.outcome)
                && let Some(measure) = self.measure(&mut cells, cell)
            {
                measure.add_messages(messages.request, messages.response);
            }
        }
        for (number, before) in cells.overflowing.drain(..) {
            let after = self.aggregate.get_mut(number).map_or(0, |series| series.measure.count());
            self.aggregate.overflow(after.saturating_sub(before));
        }
        self.keep_recent(batch, &cells.recent, own, now_us);
        for (edge, outcome, measure) in std::mem::take(&mut cells.waiting) {
            let (Some(edge), Some(outcome)) = (batch.edges.get(edge), batch.outcomes.get(outcome)) else {
                continue;
            };
            let reported = ReportedEdge { own: own.clone(), edge, outcome: *outcome };
            self.pend_requests(&reported, &measure, now_us);
        }
        self.seek_callers(batch, &mut cells, own, now_us);
        if tells.is_some() {
            self.join.enable_caller_inference(!self.pending_callers.is_empty());
            self.join.apply(batch, &cells.lines, now_us);
        }
        self.name_callers(now_us);
        self.scratch = cells;
    }

    #[inline]
    fn measure<'a>(&'a mut self, cells: &'a mut Cells, cell: Cell) -> Option<&'a mut RequestStats> {
        match cell {
            Cell::Series(number) => self.aggregate.get_mut(number).map(|series| &mut series.measure),
            Cell::Waiting(place) => cells.waiting.get_mut(place).map(|(_, _, measure)| measure),
            Cell::PendingCaller(place) => cells.unnamed.get_mut(place).map(|(_, _, rest)| rest),
        }
    }

    /// The cell of an edge and an outcome. Part of each loop that asks: nearly always it is one look.
    #[inline(always)]
    fn cell(
        &mut self,
        cells: &mut Cells,
        batch: &Batch,
        (edge, outcome): (usize, usize),
        own: &Arc<Identity>,
        tells: Option<ReporterContext>,
        now_us: u64,
    ) -> Cell {
        match cells.get(edge, outcome) {
            Some(cell) => cell,
            None => self.find(cells, batch, (edge, outcome), own, tells, now_us),
        }
    }

    /// Finds the cell of an edge and an outcome that come first in a batch.
    #[inline(never)]
    fn find(
        &mut self,
        cells: &mut Cells,
        batch: &Batch,
        (edge, outcome): (usize, usize),
        own: &Arc<Identity>,
        tells: Option<ReporterContext>,
        now_us: u64,
    ) -> Cell {
        let known = self.known(batch, edge, own, Joins::Yes);
        self.meet(batch, (edge, outcome), known.peer, now_us);
        if let (Some(tells), Some(joined), Some(line)) = (tells, &known.joined, cells.lines.get_mut(edge))
            && line.is_none()
        {
            *line = Some(self.join.edge_context(joined, tells, now_us));
        }
        let cell = if known.counted == Counted::WAITS {
            cells.waiting.push((edge, outcome, RequestStats::default()));
            Cell::Waiting(cells.waiting.len() - 1)
        } else if known.counted == Counted::UNNAMED {
            cells.unnamed.push((edge, outcome, RequestStats::default()));
            Cell::PendingCaller(cells.unnamed.len() - 1)
        } else {
            cells.recent.know(edge, known.counted.edge());
            let reporter = batch.edges.reporter(edge).unwrap_or_default();
            let ended = batch.outcomes.get(outcome).copied().unwrap_or_default();
            let (number, overflows) = self.aggregate.series(
                &self.edges,
                known.counted.edge(),
                (reporter, &own.namespace),
                ended,
                now_us,
            );
            if overflows && !cells.overflowing.iter().any(|(known, _)| *known == number) {
                let before = self.aggregate.get_mut(number).map_or(0, |series| series.measure.count());
                cells.overflowing.push((number, before));
            }
            Cell::Series(number)
        };
        cells.put(edge, outcome, cell);
        cell
    }

    /// Notes that the other end of an edge is alive, if that is known and how the request ended shows it.
    fn meet(&mut self, batch: &Batch, (edge, outcome): (usize, usize), peer: u32, now_us: u64) {
        let (Some(reporter), Some(ended)) = (batch.edges.reporter(edge), batch.outcomes.get(outcome)) else {
            return;
        };
        if peer != NOBODY
            && identity::is_proof_of_life(reporter, ended)
            && let Some(proxy) = self.edge_cache.meet(peer, MEET_AGAIN_US, now_us)
        {
            self.address_book.meet(proxy, now_us);
        }
    }

    /// What is known of an edge of a batch, from the cache or resolved again.
    pub(super) fn known(&mut self, batch: &Batch, index: usize, own: &Arc<Identity>, joins: Joins) -> Known {
        let print = print_of(batch, index, own);
        let joins = joins == Joins::Yes && self.join.is_enabled();
        let is_current =
            |known: &&Known| known.generation == self.generation() && (known.joined.is_some() || !joins);
        if let Some(known) = self.edge_cache.get(print).filter(is_current) {
            return *known;
        }
        let edge = batch.edges.get(index).unwrap_or_default();
        self.address_book.learn(&edge, own);
        let resolved = self.address_book.resolve(own, &edge);
        let may_improve = self.address_book.may_improve(&edge, &resolved);
        let peer = self.address_book.peer_proxy(&edge);
        let joined = joins.then(|| self.join.edge_ids(&resolved, peer));
        let peer = peer.map_or(NOBODY, |peer| self.edge_cache.peer(peer));
        let needs_caller = self.join.is_enabled() && self.address_book.needs_caller(&edge, &resolved);
        let counted = if needs_caller {
            Counted::UNNAMED
        } else if may_improve {
            Counted::WAITS
        } else {
            Counted::of(self.request_edge_id(&resolved))
        };
        let known = Known { generation: self.generation(), counted, joined, peer };
        self.edge_cache.put(print, known);
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
pub(super) fn print_of(batch: &Batch, place: usize, own: &Arc<Identity>) -> EdgeFingerprint {
    let EdgeFingerprint(left, right) = batch.edges.fingerprint(place).unwrap_or_default();
    EdgeFingerprint(left ^ (Arc::as_ptr(own) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), right)
}
