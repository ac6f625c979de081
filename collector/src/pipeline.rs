//! The rooms from the check to the series, in one place.
//!
//! In: checked reports, and the time. Out: answers, and the state that the API shows. Always holds: a report is counted
//! when it is answered as taken, and only then; every request of a taken report is in a series or waits for its peer's
//! name, and so is every connection; every single request of it is also joined with its other side, or waits for that; nothing here does I/O.

mod ahead;
mod cells;
mod exemplars;
mod failing;
mod marked;
mod memo;
mod recent;

use crate::aggregate::{self, Aggregate};
use crate::connections::Connections;
use crate::failures::{self, Failures};
use crate::identity::{self, AddressBook, Waiting, WaitingLimits};
use crate::join::{self, Join, Tells};
use crate::ledger::{self, Admission, Ledger};
use crate::measure::Measure;
use crate::open::OpenRequests;
use crate::report::{Identity, Print, Report};
use crate::windows::{self, Tally, Windows};
use cells::{Cell, Cells};
use identity::Told;
use memo::{Counted, Known, Memo, NOBODY};
use std::sync::Arc;

/// Edges as they are told are known, up to so many for each series that there may be: several proxies tell of each.
const KNOWN_PER_SERIES: usize = 4;

/// A proxy at other ends is met at most so often.
const MEET_AGAIN_US: u64 = 1_000_000;

/// The bounds of every room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of the books.
    pub ledger: ledger::Limits,
    /// Of the address book.
    pub identity: identity::Limits,
    /// Of what waits for a name.
    pub waiting: WaitingLimits,
    /// Of what waits for the other side of its hop.
    pub join: join::Limits,
    /// Of the series.
    pub aggregate: aggregate::Limits,
    /// Of the last failed requests.
    pub failures: failures::Limits,
    /// Of the last minutes.
    pub windows: windows::Limits,
}

/// The answer to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The collector answers for it now, or did before.
    Taken,
    /// It does not know yet who the proxy is.
    WhoAreYou,
    /// A table is full: which.
    Full(&'static str),
}

/// All state of the collector.
#[derive(Debug)]
pub struct Pipeline {
    /// The books.
    pub ledger: Ledger,
    /// The address book.
    pub address_book: AddressBook,
    /// What waits for a name.
    pub waiting: Waiting,
    /// The hops.
    pub join: Join,
    /// The series.
    pub aggregate: Aggregate,
    /// What has not ended. It is no part of a checkpoint: the proxies tell it again.
    pub open: OpenRequests,
    /// TCP connections.
    pub connections: Connections,
    /// The last of what failed. It is no part of a checkpoint.
    pub failures: Failures,
    /// Those whose edge waits for a name.
    pub failures_waiting: failures::Waiting,
    /// The last minutes of each edge. They are no part of a checkpoint.
    pub windows: Windows,
    /// Edges that are known already; made anew after a start, like the rest.
    pub(crate) memo: Memo,
    /// Room for the report at hand.
    pub(crate) cells: Cells,
    /// As of when what waits was looked at.
    pub(crate) settled: u64,
}

impl Pipeline {
    /// An empty pipeline.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            memo: Memo::new(known_max(&limits)),
            cells: Cells::default(),
            settled: 0,
            ledger: Ledger::new(limits.ledger),
            address_book: AddressBook::new(limits.identity),
            connections: Connections::new(limits.aggregate.clone(), limits.waiting.clone()),
            failures: Failures::new(limits.failures),
            failures_waiting: failures::Waiting::new(limits.waiting.clone()),
            windows: Windows::new(limits.windows),
            waiting: Waiting::new(limits.waiting),
            join: Join::new(limits.join),
            aggregate: Aggregate::new(limits.aggregate),
            open: OpenRequests::default(),
        }
    }

    /// A copy of what a checkpoint keeps. Open hops are not kept: after a start their other sides count as lost telemetry.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self {
            ledger: self.ledger.clone(),
            address_book: self.address_book.clone(),
            waiting: self.waiting.clone(),
            join: Join::new(join::Limits::default()),
            aggregate: self.aggregate.kept(),
            open: OpenRequests::default(),
            connections: self.connections.clone(),
            failures: Failures::default(),
            failures_waiting: failures::Waiting::default(),
            windows: Windows::default(),
            memo: Memo::default(),
            cells: Cells::default(),
            settled: 0,
        }
    }

    /// Other bounds from now on. What is held already is kept; only what comes is measured by them.
    pub fn limit(&mut self, limits: Limits) {
        self.memo.limit(known_max(&limits));
        self.ledger.limit(limits.ledger);
        self.address_book.limit(limits.identity);
        self.connections.limit(limits.aggregate.clone(), limits.waiting.clone());
        self.failures.limit(limits.failures);
        self.failures_waiting.limit(limits.waiting.clone());
        self.waiting.limit(limits.waiting);
        self.join.limit(limits.join);
        self.aggregate.limit(limits.aggregate);
        self.windows.limit(limits.windows);
    }

    /// Takes a report. `now_us`: microseconds since the Unix epoch.
    pub fn take(&mut self, report: &Report, now_us: u64) -> Answer {
        let proxy = &report.teller.proxy;
        let introduced = report.identity.clone();
        if let Some(identity) = introduced
            && !self.address_book.introduce(proxy, identity, now_us)
        {
            return Answer::Full("proxies");
        }
        let Some(own) = self.address_book.reports(proxy, now_us) else { return Answer::WhoAreYou };
        match self.ledger.admit(report, now_us) {
            Admission::Full => return Answer::Full("epochs"),
            Admission::Repeat => return Answer::Taken,
            Admission::New => {}
        }
        self.count_all(report, &own, now_us);
        let marked = std::mem::take(&mut self.cells.marked);
        self.offer_exemplars(report, &marked);
        self.keep_failures(report, &marked, &own, now_us);
        self.cells.marked = marked;
        let book = &mut self.address_book;
        self.open.tell(report, |edge| book.complete(&own, edge), now_us);
        self.connections.take(report, &own, book, now_us);
        if report.identity.is_some() {
            self.settle(now_us);
        }
        Answer::Taken
    }

    /// Whether a report would be answered with [`Answer::WhoAreYou`].
    #[must_use]
    pub fn is_of_stranger(&self, report: &Report) -> bool {
        report.identity.is_none() && !self.address_book.knows(&report.teller.proxy)
    }

    /// Lets time pass: names what has waited long enough, and forgets what has been silent for long.
    pub fn tick(&mut self, now_us: u64) {
        self.settle(now_us);
        self.ledger.tick(now_us);
        self.join.tick(now_us);
        self.open.expire(now_us);
        self.connections.expire(now_us);
        self.address_book.expire(now_us);
        let generation = self.aggregate.generation();
        self.aggregate.expire(now_us);
        // Before a number is given again.
        if self.aggregate.generation() != generation {
            self.windows.retain(|edge| self.aggregate.has(edge));
        }
        self.windows.expire(now_us);
    }

    /// Names all that waits as well as can be, since no more reports will come.
    pub fn close(&mut self, now_us: u64) {
        for (told, measure) in self.waiting.take_all() {
            self.count(&told, &measure, now_us);
        }
        self.connections.close(&mut self.address_book, now_us);
    }

    /// Counts and joins the requests of a report.
    fn count_all(&mut self, report: &Report, own: &Arc<Identity>, now_us: u64) {
        let tells = self.join.is_enabled().then(|| self.join.tells(report, now_us));
        let mut cells = std::mem::take(&mut self.cells);
        cells.begin(report.edges.len(), report.outcomes.len());
        cells.recent.begin(report);
        cells.marked.begin(&report.outcomes);
        let looks_ahead = report.edges.len() >= ahead::EDGES_MIN;
        let mut place = 0;
        for records in report.records.chunks(ahead::RECORDS) {
            if looks_ahead {
                self.look_ahead(&mut cells.ahead, report, records, own);
            }
            for record in records {
                let cell = self.cell(&mut cells, report, (record.edge, record.outcome), own, tells, now_us);
                cells.marked.look(place, record);
                place += 1;
                if let Cell::Series(_) = cell {
                    cells.recent.record(record, cells.marked.is_failure(record.outcome));
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
        if tells.is_some() {
            self.join.take(report, &cells.lines, now_us);
        }
        self.cells = cells;
    }

    #[inline]
    fn measure<'a>(&'a mut self, cells: &'a mut Cells, cell: Cell) -> Option<&'a mut Measure> {
        match cell {
            Cell::Series(number) => self.aggregate.get_mut(number).map(|series| &mut series.measure),
            Cell::Waiting(place) => cells.waiting.get_mut(place).map(|(_, _, measure)| measure),
        }
    }

    /// The cell of an edge and an outcome.
    #[inline]
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
    fn known(&mut self, report: &Report, place: usize, own: &Arc<Identity>) -> Known {
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
        let counted = if waits { Counted::WAITS } else { Counted::of(self.aggregate.number(&named)) };
        let known = Known { generation: self.generation(), counted, joined, peer };
        self.memo.put(print, known);
        known
    }

    /// Grows with everything by which an edge would be named, counted or joined in another way.
    #[expect(clippy::cast_possible_truncation, reason = "what is known does not live for 2^32 changes")]
    fn generation(&self) -> u32 {
        (self.address_book.generation() + self.aggregate.generation() + self.join.generation()) as u32
    }

    /// Edges that are known as they were told, and how many were forgotten since there were too many.
    #[must_use]
    pub fn known_edges(&self) -> (usize, u64) {
        (self.memo.len(), self.memo.forgotten())
    }

    fn settle(&mut self, now_us: u64) {
        let book = &mut self.address_book;
        let news = std::mem::replace(&mut self.settled, book.generation()) != book.generation();
        let ready = |told: &Told| {
            news && {
                let named = book.complete(&told.own, &told.edge);
                !book.may_improve(&told.edge, &named)
            }
        };
        for (told, measure) in self.waiting.take(now_us, ready) {
            self.count(&told, &measure, now_us);
        }
        self.connections.settle(&mut self.address_book, now_us);
        self.settle_failures(now_us);
    }

    fn count(&mut self, told: &Told, measure: &Measure, now_us: u64) {
        let named = self.address_book.complete(&told.own, &told.edge);
        self.aggregate.add(&named, told.outcome, measure, now_us);
        let edge = self.aggregate.number(&named);
        let instance = recent::called(told.edge.reporter, &told.own, &told.edge.peer.address, "");
        self.windows.add(edge, instance, Tally::of(measure, told.outcome.is_failure()), now_us);
    }
}

/// What an edge is known by. The same edge told by another proxy is another one; an identity that changes changes the
/// generation, too.
#[inline]
fn print_of(report: &Report, place: usize, own: &Arc<Identity>) -> Print {
    let Print(left, right) = report.edges.print(place).unwrap_or_default();
    Print(left ^ (Arc::as_ptr(own) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), right)
}

fn known_max(limits: &Limits) -> usize {
    limits.aggregate.series_max.saturating_mul(KNOWN_PER_SERIES)
}

#[cfg(test)]
mod tests;
