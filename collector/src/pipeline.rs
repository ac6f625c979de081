//! The rooms from the check to the series, in one place.
//!
//! In: checked reports, and the time. Out: answers, and the state that the API shows. Always holds: a report is counted
//! when it is answered as taken, and only then; every request of a taken report is in a series or waits for its peer's
//! name, and so is every connection; every single request of it is also joined with its other side, or waits for that; nothing here does I/O.

use crate::aggregate::{self, Aggregate};
use crate::connections::Connections;
use crate::identity::{self, AddressBook, Waiting, WaitingLimits};
use crate::join::{self, Join, Named};
use crate::ledger::{self, Admission, Ledger};
use crate::measure::{self, Measure};
use crate::open::OpenRequests;
use crate::report::{Edge, Report};
use identity::Told;

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
}

impl Pipeline {
    /// An empty pipeline.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            ledger: Ledger::new(limits.ledger),
            address_book: AddressBook::new(limits.identity),
            connections: Connections::new(limits.aggregate.clone(), limits.waiting.clone()),
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
            aggregate: self.aggregate.clone(),
            open: OpenRequests::default(),
            connections: self.connections.clone(),
        }
    }

    /// Other bounds from now on. What is held already is kept; only what comes is measured by them.
    pub fn limit(&mut self, limits: Limits) {
        self.ledger.limit(limits.ledger);
        self.address_book.limit(limits.identity);
        self.connections.limit(limits.aggregate.clone(), limits.waiting.clone());
        self.waiting.limit(limits.waiting);
        self.join.limit(limits.join);
        self.aggregate.limit(limits.aggregate);
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
        for edge in &report.edges {
            self.address_book.learn(edge, &own);
        }
        for (edge, outcome, measure) in measure::group(report) {
            let Some(edge) = report.edges.get(edge) else { continue };
            self.address_book.meet(edge, &outcome, now_us);
            let told = Told { own: own.clone(), edge: edge.clone(), outcome };
            self.count_or_wait(&told, &measure, now_us);
        }
        let book = &mut self.address_book;
        let name =
            |edge: &Edge| Named { edge: book.complete(&own, edge), peer: book.peer_proxy(edge).cloned() };
        self.join.take(report, name, now_us);
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
        self.aggregate.expire(now_us);
    }

    /// Names all that waits as well as can be, since no more reports will come.
    pub fn close(&mut self, now_us: u64) {
        for (told, measure) in self.waiting.take_all() {
            self.count(&told, &measure, now_us);
        }
        self.connections.close(&mut self.address_book, now_us);
    }

    fn count_or_wait(&mut self, told: &Told, measure: &Measure, now_us: u64) {
        let named = self.address_book.complete(&told.own, &told.edge);
        let waits = self.address_book.may_improve(&told.edge, &named);
        if !waits || !self.waiting.put(told, measure, now_us) {
            self.aggregate.add(named, told.outcome, measure, now_us);
        }
    }

    fn settle(&mut self, now_us: u64) {
        let book = &mut self.address_book;
        let ready = |told: &Told| {
            let named = book.complete(&told.own, &told.edge);
            !book.may_improve(&told.edge, &named)
        };
        for (told, measure) in self.waiting.take(now_us, ready) {
            self.count(&told, &measure, now_us);
        }
        self.connections.settle(&mut self.address_book, now_us);
    }

    fn count(&mut self, told: &Told, measure: &Measure, now_us: u64) {
        let named = self.address_book.complete(&told.own, &told.edge);
        self.aggregate.add(named, told.outcome, measure, now_us);
    }
}

#[cfg(test)]
mod tests;
