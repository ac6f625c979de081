//! The requests of a report are counted and joined.
//!
//! In: a report that was not taken before, and who tells it. Out: series, what waits for a name, windows, hops. Always holds: each
//! request is in one cell; what an edge is called is looked up once, as long as nothing changes by which it would be another.

use super::batch_scratch::{Cell, Cells};
use super::edge_cache::{Counted, Known, NOBODY};
use super::lookahead;
use super::{MEET_AGAIN_US, Pipeline};
use crate::batch::{Identity, Print, Report};
use crate::histogram::Measure;
use crate::identity::{self, Told};
use crate::join::Tells;
use std::sync::Arc;

impl Pipeline {
    /// Counts and joins the requests of a report.
    pub(super) fn count_all(&mut self, report: &Report, own: &Arc<Identity>, now_us: u64) {
        let tells = self.join.is_enabled().then(|| self.join.tells(report, now_us));
        let mut cells = std::mem::take(&mut self.cells);
        cells.begin(report.edges.len(), report.outcomes.len());
        cells.recent.begin(report);
        cells.marked.begin(&report.outcomes);
        let looks_ahead = report.edges.len() >= lookahead::EDGES_MIN;
        let mut place = 0;
        for records in report.records.chunks(lookahead::RECORDS) {
            if looks_ahead {
                self.look_ahead(&mut cells.ahead, report, records, own);
            }
            for record in records {
                let cell = self.cell(&mut cells, report, (record.edge, record.outcome), own, tells, now_us);
                cells.marked.look(place, record);
                place += 1;
                match cell {
                    Cell::Series(_) => cells.recent.record(record, cells.marked.is_failure(record.outcome)),
                    Cell::Waiting(_) => {}
                    Cell::Unnamed(place) => {
                        cells.unnamed_records.push((place, *record));
                        continue;
                    }
                }
                if let Some(measure) = self.measure(&mut cells, cell) {
                    measure.record(record);
                }
            }
        }
        for fold in &report.folds {
            let cell = self.cell(&mut cells, report, (fold.edge, fold.outcome), own, tells, now_us);
            if let Cell::Series(_) = cell {
                cells.recent.fold(fold, cells.marked.is_failure(fold.outcome));
            }
            if let Some(measure) = self.measure(&mut cells, cell) {
                measure.fold(fold);
            }
        }
        // Whose requests are among the above.
        for messages in &report.messages {
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
        self.keep_recent(report, &cells.recent, own, now_us);
        for (edge, outcome, measure) in std::mem::take(&mut cells.waiting) {
            let (Some(edge), Some(outcome)) = (report.edges.get(edge), report.outcomes.get(outcome)) else {
                continue;
            };
            let told = Told { own: own.clone(), edge, outcome: *outcome };
            if !self.waiting.put(&told, &measure, now_us) {
                self.count(&told, &measure, now_us);
            }
        }
        self.seek_callers(report, &mut cells, own, now_us);
        if tells.is_some() {
            self.join.seek_callers(!self.unnamed.is_empty());
            self.join.take(report, &cells.lines, now_us);
        }
        self.name_callers(now_us);
        self.cells = cells;
    }

    #[inline]
    fn measure<'a>(&'a mut self, cells: &'a mut Cells, cell: Cell) -> Option<&'a mut Measure> {
        match cell {
            Cell::Series(number) => self.aggregate.get_mut(number).map(|series| &mut series.measure),
            Cell::Waiting(place) => cells.waiting.get_mut(place).map(|(_, _, measure)| measure),
            Cell::Unnamed(place) => cells.unnamed.get_mut(place).map(|(_, _, rest)| rest),
        }
    }

    /// The cell of an edge and an outcome. Part of each loop that asks: nearly always it is one look.
    #[inline(always)]
    fn cell(
        &mut self,
        cells: &mut Cells,
        report: &Report,
        (edge, outcome): (usize, usize),
        own: &Arc<Identity>,
        tells: Option<Tells>,
        now_us: u64,
    ) -> Cell {
        match cells.get(edge, outcome) {
            Some(cell) => cell,
            None => self.find(cells, report, (edge, outcome), own, tells, now_us),
        }
    }

    /// Finds the cell of an edge and an outcome that come first in a report.
    #[inline(never)]
    fn find(
        &mut self,
        cells: &mut Cells,
        report: &Report,
        (edge, outcome): (usize, usize),
        own: &Arc<Identity>,
        tells: Option<Tells>,
        now_us: u64,
    ) -> Cell {
        let known = self.known(report, edge, own);
        self.meet(report, (edge, outcome), known.peer, now_us);
        if let (Some(tells), Some(joined), Some(line)) = (tells, &known.joined, cells.lines.get_mut(edge))
            && line.is_none()
        {
            *line = Some(self.join.line(joined, tells, now_us));
        }
        let cell = if known.counted == Counted::WAITS {
            cells.waiting.push((edge, outcome, Measure::default()));
            Cell::Waiting(cells.waiting.len() - 1)
        } else if known.counted == Counted::UNNAMED {
            cells.unnamed.push((edge, outcome, Measure::default()));
            Cell::Unnamed(cells.unnamed.len() - 1)
        } else {
            cells.recent.know(edge, known.counted.edge());
            let reporter = report.edges.reporter(edge).unwrap_or_default();
            let ended = report.outcomes.get(outcome).copied().unwrap_or_default();
            let (number, overflows) =
                self.aggregate.series(known.counted.edge(), (reporter, &own.namespace), ended, now_us);
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
    fn meet(&mut self, report: &Report, (edge, outcome): (usize, usize), peer: u32, now_us: u64) {
        let (Some(reporter), Some(ended)) = (report.edges.reporter(edge), report.outcomes.get(outcome))
        else {
            return;
        };
        if peer != NOBODY
            && identity::was_met(reporter, ended)
            && let Some(proxy) = self.memo.meet(peer, MEET_AGAIN_US, now_us)
        {
            self.address_book.meet(proxy, now_us);
        }
    }

    /// What is known of an edge of a report.
    pub(super) fn known(&mut self, report: &Report, place: usize, own: &Arc<Identity>) -> Known {
        let print = print_of(report, place, own);
        if let Some(known) = self.memo.get(print).filter(|known| known.generation == self.generation()) {
            return *known;
        }
        let edge = report.edges.get(place).unwrap_or_default();
        self.address_book.learn(&edge, own);
        let named = self.address_book.complete(own, &edge);
        let waits = self.address_book.may_improve(&edge, &named);
        let peer = self.address_book.peer_proxy(&edge);
        let joined = self.join.is_enabled().then(|| self.join.know(&named, peer));
        let peer = peer.map_or(NOBODY, |peer| self.memo.peer(peer));
        let counted = if joined.is_some() && self.address_book.needs_caller(&edge, &named) {
            Counted::UNNAMED
        } else if waits {
            Counted::WAITS
        } else {
            Counted::of(self.aggregate.number(&named))
        };
        let known = Known { generation: self.generation(), counted, joined, peer };
        self.memo.put(print, known);
        known
    }

    /// Grows with everything by which an edge would be named, counted or joined in another way.
    #[expect(clippy::cast_possible_truncation, reason = "what is known does not live for 2^32 changes")]
    pub(super) fn generation(&self) -> u32 {
        (self.address_book.generation() + self.aggregate.generation() + self.join.generation()) as u32
    }
}

/// What an edge is known by. The same edge told by another proxy is another one; an identity that changes changes the
/// generation, too.
#[inline]
pub(super) fn print_of(report: &Report, place: usize, own: &Arc<Identity>) -> Print {
    let Print(left, right) = report.edges.print(place).unwrap_or_default();
    Print(left ^ (Arc::as_ptr(own) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), right)
}
