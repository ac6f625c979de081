//! The books: which batch of which epoch was taken, and where every request that a filter saw is now.
//!
//! In: reports, in any order and any number of times, and the passing of time. Out: whether a batch is new, and one
//! [`Entry`] per proxy, since ever or since a moment. Always holds: a batch is taken once; `seen = delivered + folded +
//! dropped + missing + in flight + unaccounted`; what was told to an earlier life of the collector, and is not in its
//! state, stands under `collector_restart`; a book is closed when its epoch has long been silent, and then
//! leaves nothing open; at most `epochs_max` books are open, and at most `closed_max` proxies of closed ones have a row of
//! their own, the rest being added up under [`EARLIER`].

mod epoch;
mod dedup;
mod entry;
mod history;

pub use entry::Entry;
pub use history::Limits as HistoryLimits;

use crate::batch::{Batch, EpochId, Text};
use crate::snapshot::codec::snapshot;
use epoch::Book;
use history::History;
use std::collections::{BTreeMap, HashMap};

/// How many books are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open books: an Envoy has one per worker thread.
    pub epochs_max: usize,
    /// A book without a batch for so long is closed. No less than the age up to which the door takes requests, so that
    /// a repeat that comes after the end of its book is refused there.
    pub silent_us_max: u64,
    /// Proxies of which nothing but closed books are left.
    pub closed_max: usize,
    /// Of what is remembered of earlier moments.
    pub history: HistoryLimits,
}

/// The name of the row for proxies that have none of their own any more.
pub const EARLIER: &str = "(earlier proxies)";

/// Between two looks for silent books.
const LOOK_US: u64 = 60 * 1_000_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            epochs_max: 100_000,
            silent_us_max: 24 * 3600 * 1_000_000,
            closed_max: 50_000,
            history: HistoryLimits::default(),
        }
    }
}

/// What a batch is to the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its requests are to be counted.
    New,
    /// Its requests were counted before.
    Repeat,
    /// There is no room for another book.
    Full,
}

/// All books.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    limits: Limits,
    books: HashMap<EpochId, Book, foldhash::quality::RandomState>,
    /// What closed books said, by proxy, and when the last of them was closed.
    closed: BTreeMap<Text, (Entry, u64)>,
    /// When silent books were looked for.
    looked_us: u64,
    history: History,
}

snapshot!(state Ledger { books, closed, looked_us } nested { history } skip { limits });

impl Ledger {
    /// Empty books.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let history = History::new(limits.history.clone());
        Self { limits, history, ..Self::default() }
    }

    /// Other limits from now on. Books that are open stay open.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether the batch is new; enters it if so.
    pub fn admit(&mut self, batch: &Batch, now_us: u64) -> Admission {
        if let Some(book) = self.books.get_mut(&batch.epoch_id) {
            return if book.enter(batch, now_us) { Admission::New } else { Admission::Repeat };
        }
        if self.books.len() >= self.limits.epochs_max {
            self.close_silent(now_us);
        }
        if self.books.len() >= self.limits.epochs_max {
            return Admission::Full;
        }
        self.books.insert(batch.epoch_id.clone(), Book::open(batch, now_us));
        Admission::New
    }

    /// Whether this batch was taken before, as far as the books that are open tell.
    #[must_use]
    pub fn has(&self, epoch_id: &EpochId, sequence: u64) -> bool {
        self.books.get(epoch_id).is_some_and(|book| book.has(sequence))
    }

    /// Closes the book of an epoch that has ended and never comes again. Its totals stay.
    pub fn end(&mut self, epoch_id: &EpochId, now_us: u64) {
        if let Some(book) = self.books.remove(epoch_id) {
            note_closed(&mut self.closed, &epoch_id.proxy, &book, now_us);
        }
    }

    /// One entry per proxy, in the order of their names.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<Text, Entry> {
        let closed = self.closed.iter().map(|(proxy, (entry, _))| (proxy.clone(), entry.clone()));
        let mut entries: BTreeMap<_, _> = closed.collect();
        for (epoch_id, book) in &self.books {
            entries.entry(epoch_id.proxy.clone()).or_default().add(&book.entry());
        }
        entries
    }

    /// The entries at a moment as close before `since_us` as is remembered, or else the oldest that are, and when that
    /// was; microseconds since the Unix epoch.
    #[must_use]
    pub fn entries_at(&self, since_us: u64) -> (u64, &BTreeMap<Text, Entry>) {
        self.history.at(since_us)
    }

    /// How many entries of earlier moments are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.history.rows()
    }

    /// Lets time pass: closes books of epochs that have long been silent, and remembers how things stand.
    pub fn tick(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.looked_us) >= LOOK_US {
            self.looked_us = now_us;
            self.close_silent(now_us);
        }
        if self.history.is_due(now_us) {
            let entries = self.entries();
            self.history.note(now_us, entries);
        }
    }

    /// How many books are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.books.len()
    }

    /// Closes the books of epochs that have long been silent. Their totals stay; only a repeat would no longer be
    /// recognised.
    fn close_silent(&mut self, now_us: u64) {
        let silent_since = now_us.saturating_sub(self.limits.silent_us_max);
        let closed = &mut self.closed;
        self.books.retain(|epoch_id, book| {
            let stays = book.last_us() >= silent_since;
            if !stays {
                note_closed(closed, &epoch_id.proxy, book, now_us);
            }
            stays
        });
        if self.closed.len() > self.limits.closed_max {
            self.add_up_earliest();
        }
    }

    /// Takes the rows that were closed first together, down to nine tenths of what is allowed.
    fn add_up_earliest(&mut self) {
        let keep = self.limits.closed_max - self.limits.closed_max / 10;
        let mut closed_us: Vec<u64> = self.closed.values().map(|(_, closed_us)| *closed_us).collect();
        closed_us.sort_unstable();
        let excess = closed_us.len().saturating_sub(keep);
        let before_us = closed_us.get(excess).copied().unwrap_or(u64::MAX);
        let mut sum = Entry::default();
        let mut left = excess;
        self.closed.retain(|_, (entry, closed_us)| {
            let goes = left > 0 && *closed_us <= before_us;
            if goes {
                left -= 1;
                sum.add(entry);
            }
            !goes
        });
        self.closed.entry(EARLIER.into()).or_default().0.add(&sum);
    }
}

fn note_closed(closed: &mut BTreeMap<Text, (Entry, u64)>, proxy: &Text, book: &Book, now_us: u64) {
    let mut entry = book.entry();
    entry.close();
    let (sum, closed_us) = closed.entry(proxy.clone()).or_default();
    sum.add(&entry);
    *closed_us = now_us;
}

#[cfg(test)]
mod tests;
