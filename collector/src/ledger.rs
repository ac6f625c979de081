//! The books: which batch of which epoch was taken, and where every request that a filter saw is now.
//!
//! In: reports, in any order and any number of times. Out: whether a report is new, and one [`Entry`] per proxy. Always
//! holds: a batch is taken once; `seen = delivered + folded + dropped + in flight + unaccounted`; what was told to an
//! earlier life of the collector stands under `collector_restart`; at most `epochs_max` books are open.

mod book;
mod gaps;
mod entry;

pub use entry::Entry;

use crate::report::{Report, Teller, Text};
use book::Book;
use std::collections::{BTreeMap, HashMap};

/// How many books are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open books: an Envoy has one per worker thread.
    pub epochs_max: usize,
    /// A book without a report for so long is closed when room is needed.
    pub silent_us_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { epochs_max: 100_000, silent_us_max: 24 * 3600 * 1_000_000 }
    }
}

/// What a report is to the books.
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
#[derive(Debug, Default)]
pub struct Ledger {
    limits: Limits,
    books: HashMap<Teller, Book>,
    /// What closed books said, by proxy.
    closed: BTreeMap<Text, Entry>,
}

impl Ledger {
    /// Empty books.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Other limits from now on. Books that are open stay open.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether the report is new; enters it if so.
    pub fn admit(&mut self, report: &Report, now_us: u64) -> Admission {
        if let Some(book) = self.books.get_mut(&report.teller) {
            return if book.enter(report, now_us) { Admission::New } else { Admission::Repeat };
        }
        if self.books.len() >= self.limits.epochs_max {
            self.close_silent(now_us);
        }
        if self.books.len() >= self.limits.epochs_max {
            return Admission::Full;
        }
        self.books.insert(report.teller.clone(), Book::open(report, now_us));
        Admission::New
    }

    /// Closes the book of an epoch that has ended and never comes again. Its totals stay.
    pub fn close(&mut self, teller: &Teller) {
        if let Some(book) = self.books.remove(teller) {
            self.closed.entry(teller.proxy.clone()).or_default().add(&book.entry());
        }
    }

    /// One entry per proxy, in the order of their names.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<Text, Entry> {
        let mut entries = self.closed.clone();
        for (teller, book) in &self.books {
            entries.entry(teller.proxy.clone()).or_default().add(&book.entry());
        }
        entries
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
        self.books.retain(|teller, book| {
            let stays = book.last_us() >= silent_since;
            if !stays {
                closed.entry(teller.proxy.clone()).or_default().add(&book.entry());
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests;
