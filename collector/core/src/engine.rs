//! The rooms from the check to the series, in one place.
//!
//! In: checked reports, and the time. Out: answers, and the state that the API shows. Always holds: a batch is counted
//! when it is answered as taken, and only then; every request of a taken batch is in a series or waits for its peer's
//! name, and so is every connection; every single request of it is also joined with its other side, or waits for that; nothing here does I/O.

mod lookahead;
mod caller_inference;
mod batch_scratch;
mod count;
mod exemplars;
mod failed_records;
mod notable;
mod edge_cache;
mod views;
pub mod snapshot;
mod tallies;

use crate::aggregate::connections::{self, ConnectionSeries};
use crate::aggregate::{self, Aggregate};
use crate::batch::{Batch, EpochId, Record};
use crate::histogram::RequestStats;
use crate::identity::{self, AddressBook, PendingCallers, PendingLimits, Waiting};
use crate::intake::raw_batch::RawBatch;
use crate::intake::reject::Rejection;
use crate::join::{self, Join};
use crate::ledger::{self, Admission, Ledger};
use crate::recent::failures::{self, Failures};
use crate::recent::in_flight::InFlightRequests;
use crate::recent::windows::{self, Tally, Windows};
use batch_scratch::Cells;
use edge_cache::EdgeCache;
use identity::{ResolvedEdge, Told};

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
    pub waiting: PendingLimits,
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
            waiting: PendingLimits::default(),
            unnamed_max: 100_000,
            join: join::Limits::default(),
            aggregate: aggregate::Limits::default(),
            failures: failures::Limits::default(),
            windows: windows::Limits::default(),
        }
    }
}

/// The answer to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The collector answers for it now, or did before.
    Taken,
    /// It does not know yet who the proxy is.
    NeedIdentity,
    /// A table is full: which.
    Full(&'static str),
}

/// All state of the collector.
#[derive(Debug)]
pub struct Engine {
    /// The books.
    ledger: Ledger,
    /// The address book.
    address_book: AddressBook,
    /// What waits for a name.
    pending: Waiting,
    /// Requests whose callers the join may find.
    pending_callers: PendingCallers,
    /// The hops.
    join: Join,
    /// The series.
    aggregate: Aggregate,
    /// What has not ended. It is no part of a checkpoint: the proxies tell it again.
    in_flight: InFlightRequests,
    /// TCP connections.
    connections: ConnectionSeries,
    /// What the bodies of requests that do not end move.
    streams: ConnectionSeries,
    /// The last of what failed. It is no part of a checkpoint.
    failures: Failures,
    /// Those whose edge waits for a name.
    pending_failures: failures::Waiting,
    /// The last minutes of each edge. They are no part of a checkpoint.
    windows: Windows,
    /// Edges that are known already; made anew after a start, like the rest.
    edge_cache: EdgeCache,
    /// Room for the batch at hand.
    scratch: Cells,
    /// As of when what waits was looked at.
    settled: u64,
}

impl Engine {
    /// An empty engine.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            edge_cache: EdgeCache::new(known_max(&limits)),
            scratch: Cells::default(),
            settled: 0,
            ledger: Ledger::new(limits.ledger),
            address_book: AddressBook::new(limits.identity),
            connections: ConnectionSeries::new(limits.aggregate.clone(), limits.waiting.clone()),
            streams: ConnectionSeries::new(limits.aggregate.clone(), limits.waiting.clone()),
            failures: Failures::new(limits.failures),
            pending_failures: failures::Waiting::new(limits.waiting.clone()),
            windows: Windows::new(limits.windows),
            pending: Waiting::new(limits.waiting),
            pending_callers: PendingCallers::new(limits.unnamed_max),
            join: Join::new(limits.join),
            aggregate: Aggregate::new(limits.aggregate),
            in_flight: InFlightRequests::default(),
        }
    }

    /// Other bounds from now on. What is held already is kept; only what comes is measured by them.
    pub fn limit(&mut self, limits: Limits) {
        self.edge_cache.limit(known_max(&limits));
        self.ledger.limit(limits.ledger);
        self.address_book.limit(limits.identity);
        for flows in [&mut self.connections, &mut self.streams] {
            flows.limit(limits.aggregate.clone(), limits.waiting.clone());
        }
        self.failures.limit(limits.failures);
        self.pending_failures.limit(limits.waiting.clone());
        self.pending.limit(limits.waiting);
        self.pending_callers.limit(limits.unnamed_max);
        self.join.limit(limits.join);
        self.aggregate.limit(limits.aggregate);
        self.windows.limit(limits.windows);
    }

    /// Accepts a batch as it was received, at the time when it was received. `scratch`: memory for its
    /// records, reused from batch to batch.
    ///
    /// # Errors
    ///
    /// When one of its records breaks a rule: nothing of the batch is counted.
    pub fn accept(&mut self, raw: &mut RawBatch, scratch: &mut Vec<Record>) -> Result<Answer, Rejection> {
        let now_us = raw.times().received_us;
        let answer = match raw.read_records(scratch) {
            Ok(batch) => self.take(batch, now_us),
            Err(rejection) => {
                // An accepted batch stays accepted: its filter would count as dropped what is counted here.
                let Batch { epoch_id, sequence, .. } = raw.head();
                return if self.ledger.has(epoch_id, *sequence) { Ok(Answer::Taken) } else { Err(rejection) };
            }
        };
        raw.recycle(scratch);
        Ok(answer)
    }

    /// Takes a batch. `now_us`: microseconds since the Unix epoch.
    pub fn take(&mut self, batch: &Batch, now_us: u64) -> Answer {
        let proxy = &batch.epoch_id.proxy;
        let introduced = batch.identity.clone();
        if let Some(identity) = introduced
            && !self.address_book.introduce(proxy, identity, now_us)
        {
            return Answer::Full("proxies");
        }
        let Some(own) = self.address_book.reports(proxy, now_us) else { return Answer::NeedIdentity };
        match self.ledger.admit(batch, now_us) {
            Admission::Full => return Answer::Full("epochs"),
            Admission::Repeat => return Answer::Taken,
            Admission::New => {}
        }
        self.count_all(batch, &own, now_us);
        let marked = std::mem::take(&mut self.scratch.marked);
        self.offer_exemplars(batch, &marked);
        self.keep_failures(batch, &marked, &own, now_us);
        self.scratch.marked = marked;
        let book = &mut self.address_book;
        self.in_flight.tell(batch, |edge| book.complete(&own, edge), now_us);
        self.connections.take(batch, connections::connections(batch), &own, book, now_us);
        self.streams.take(batch, connections::streams(batch), &own, book, now_us);
        if batch.identity.is_some() {
            self.settle(now_us);
        }
        Answer::Taken
    }

    /// Whether a batch would be answered with [`Answer::NeedIdentity`].
    #[must_use]
    pub fn is_unknown_proxy(&self, batch: &Batch) -> bool {
        batch.identity.is_none() && !self.address_book.knows(&batch.epoch_id.proxy)
    }

    /// Closes the ledger of an epoch that has ended and never comes again.
    pub fn end_epoch(&mut self, epoch_id: &EpochId, now_us: u64) {
        self.ledger.end(epoch_id, now_us);
    }

    /// Lets time pass: names what has waited long enough, and forgets what has been silent for long.
    pub fn tick(&mut self, now_us: u64) {
        self.settle(now_us);
        self.ledger.tick(now_us);
        self.join.seek_callers(!self.pending_callers.is_empty());
        self.join.tick(now_us);
        self.name_callers(now_us);
        self.give_callers_up(now_us, now_us);
        self.in_flight.expire(now_us);
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
        for (told, measure) in self.pending.take_all() {
            self.count(&told, &measure, now_us);
        }
        self.give_callers_up(u64::MAX, now_us);
        self.connections.close(&mut self.address_book, now_us);
        self.streams.close(&mut self.address_book, now_us);
    }

    /// Edges that are known as they were told, and how many were forgotten since there were too many.
    #[must_use]
    pub fn known_edges(&self) -> (usize, u64) {
        (self.edge_cache.len(), self.edge_cache.forgotten())
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
        for (told, measure) in self.pending.take(now_us, ready) {
            self.count(&told, &measure, now_us);
        }
        self.connections.settle(&mut self.address_book, now_us);
        self.streams.settle(&mut self.address_book, now_us);
        self.settle_failures(now_us);
    }

    fn count(&mut self, told: &Told, measure: &RequestStats, now_us: u64) {
        let named = self.address_book.resolve_final(&told.own, &told.edge);
        self.count_as(&named, told, measure, now_us);
    }

    fn count_as(&mut self, named: &ResolvedEdge, told: &Told, measure: &RequestStats, now_us: u64) {
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
