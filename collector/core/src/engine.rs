//! The rooms from the check to the series, in one place.
//!
//! In: checked reports, and the time. Out: answers, and the state that the API shows. Always holds: a report is counted
//! when it is answered as taken, and only then; every request of a taken report is in a series or waits for its peer's
//! name, and so is every connection; every single request of it is also joined with its other side, or waits for that; nothing here does I/O.

mod lookahead;
mod caller_inference;
mod batch_scratch;
mod count;
mod exemplars;
mod failed_records;
mod notable;
mod edge_cache;
pub mod snapshot;
mod tallies;

use crate::aggregate::connections::{self, Flows};
use crate::aggregate::{self, Aggregate};
use crate::batch::Report;
use crate::histogram::Measure;
use crate::identity::{self, AddressBook, UnnamedRequests, Waiting, WaitingLimits};
use crate::join::{self, Join};
use crate::ledger::{self, Admission, Ledger};
use crate::recent::failures::{self, Failures};
use crate::recent::in_flight::OpenRequests;
use crate::recent::windows::{self, Tally, Windows};
use batch_scratch::Cells;
use edge_cache::Memo;
use identity::{NamedEdge, Told};

/// Edges as they are told are known, up to so many for each series that there may be: several proxies tell of each.
const KNOWN_PER_SERIES: usize = 4;

/// A proxy at other ends is met at most so often.
const MEET_AGAIN_US: u64 = 1_000_000;

/// The bounds of every room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of the books.
    pub ledger: ledger::Limits,
    /// Of the address book.
    pub identity: identity::Limits,
    /// Of what waits for a name.
    pub waiting: WaitingLimits,
    /// Requests whose callers the join may find.
    pub unnamed_max: usize,
    /// Of what waits for the other side of its hop.
    pub join: join::Limits,
    /// Of the series.
    pub aggregate: aggregate::Limits,
    /// Of the last failed requests.
    pub failures: failures::Limits,
    /// Of the last minutes.
    pub windows: windows::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ledger: ledger::Limits::default(),
            identity: identity::Limits::default(),
            waiting: WaitingLimits::default(),
            unnamed_max: 100_000,
            join: join::Limits::default(),
            aggregate: aggregate::Limits::default(),
            failures: failures::Limits::default(),
            windows: windows::Limits::default(),
        }
    }
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
    /// Requests whose callers the join may find.
    pub unnamed: UnnamedRequests,
    /// The hops.
    pub join: Join,
    /// The series.
    pub aggregate: Aggregate,
    /// What has not ended. It is no part of a checkpoint: the proxies tell it again.
    pub open: OpenRequests,
    /// TCP connections.
    pub connections: Flows,
    /// What the bodies of requests that do not end move.
    pub streams: Flows,
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
            connections: Flows::new(limits.aggregate.clone(), limits.waiting.clone()),
            streams: Flows::new(limits.aggregate.clone(), limits.waiting.clone()),
            failures: Failures::new(limits.failures),
            failures_waiting: failures::Waiting::new(limits.waiting.clone()),
            windows: Windows::new(limits.windows),
            waiting: Waiting::new(limits.waiting),
            unnamed: UnnamedRequests::new(limits.unnamed_max),
            join: Join::new(limits.join),
            aggregate: Aggregate::new(limits.aggregate),
            open: OpenRequests::default(),
        }
    }

    /// Other bounds from now on. What is held already is kept; only what comes is measured by them.
    pub fn limit(&mut self, limits: Limits) {
        self.memo.limit(known_max(&limits));
        self.ledger.limit(limits.ledger);
        self.address_book.limit(limits.identity);
        for flows in [&mut self.connections, &mut self.streams] {
            flows.limit(limits.aggregate.clone(), limits.waiting.clone());
        }
        self.failures.limit(limits.failures);
        self.failures_waiting.limit(limits.waiting.clone());
        self.waiting.limit(limits.waiting);
        self.unnamed.limit(limits.unnamed_max);
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
        self.connections.take(report, connections::connections(report), &own, book, now_us);
        self.streams.take(report, connections::streams(report), &own, book, now_us);
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
        self.join.seek_callers(!self.unnamed.is_empty());
        self.join.tick(now_us);
        self.name_callers(now_us);
        self.give_callers_up(now_us, now_us);
        self.open.expire(now_us);
        self.connections.expire(now_us);
        self.streams.expire(now_us);
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
        self.give_callers_up(u64::MAX, now_us);
        self.connections.close(&mut self.address_book, now_us);
        self.streams.close(&mut self.address_book, now_us);
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
        self.streams.settle(&mut self.address_book, now_us);
        self.settle_failures(now_us);
    }

    fn count(&mut self, told: &Told, measure: &Measure, now_us: u64) {
        let named = self.address_book.complete_at_last(&told.own, &told.edge);
        self.count_as(&named, told, measure, now_us);
    }

    fn count_as(&mut self, named: &NamedEdge, told: &Told, measure: &Measure, now_us: u64) {
        self.aggregate.add(named, told.outcome, measure, now_us);
        let edge = self.aggregate.number(named);
        let instance = tallies::called(told.edge.reporter, &told.own, &told.edge.peer.address, "");
        self.windows.add(edge, instance, Tally::of(measure, told.outcome.is_failure()), now_us);
    }
}

fn known_max(limits: &Limits) -> usize {
    limits.aggregate.series_max.saturating_mul(KNOWN_PER_SERIES)
}

#[cfg(test)]
mod tests;
