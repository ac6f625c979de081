//! History of the ledger: entries at earlier moments.
//!
//! In: all entries, periodically.
//! Out: the entries of a moment.
//! Invariant: at most `rows_max` entries are stored. Beyond that the moments are thinned out; the
//! oldest moment stays until it exceeds the maximum age.

use super::entry::Entry;
use crate::snapshot::codec::snapshot;
use crate::text::Text;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Limits of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Interval between two moments.
    pub step_us: u64,
    /// Maximum age: the history ends with the first moment that is older.
    pub age_us_max: u64,
    /// Maximum entries of all moments: one per proxy and moment.
    pub rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { step_us: 5 * 60 * 1_000_000, age_us_max: 24 * 3600 * 1_000_000, rows_max: 100_000 }
    }
}

type Entries = BTreeMap<Text, Entry>;

/// Entries of all proxies at earlier moments.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    limits: Limits,
    /// Time of the first moment; all entries were empty before.
    began_us: Option<u64>,
    /// Moments in order of time.
    moments: VecDeque<(u64, Arc<Entries>)>,
}

snapshot!(state History { began_us, moments } skip { limits });

impl History {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether the next moment is due.
    pub(super) fn is_due(&self, now_us: u64) -> bool {
        let last_us = self.moments.back().map(|(at_us, _)| *at_us);
        last_us.is_none_or(|last_us| now_us.saturating_sub(last_us) >= self.limits.step_us)
    }

    /// Stores the entries of a moment.
    pub(super) fn push(&mut self, now_us: u64, entries: Entries) {
        self.began_us.get_or_insert(now_us);
        self.moments.push_back((now_us, Arc::new(entries)));
        let old_us = now_us.saturating_sub(self.limits.age_us_max);
        while self.moments.get(1).is_some_and(|(at_us, _)| *at_us <= old_us) {
            self.moments.pop_front();
        }
        while self.rows() > self.limits.rows_max && !self.moments.is_empty() {
            self.moments.remove(self.least_useful());
        }
    }

    /// Returns the last moment not after `since_us`, or else the first stored one.
    pub(super) fn at(&self, since_us: u64) -> (u64, Arc<Entries>) {
        let index = self.moments.partition_point(|(at_us, _)| *at_us <= since_us).saturating_sub(1);
        match self.moments.get(index) {
            Some((at_us, entries)) => (*at_us, entries.clone()),
            None => (self.began_us.unwrap_or(0), Arc::default()),
        }
    }

    /// Returns the number of stored entries.
    pub(super) fn rows(&self) -> usize {
        self.moments.iter().map(|(_, entries)| entries.len()).sum()
    }

    /// Returns the index of the moment whose removal leaves the smallest time gap. The oldest and
    /// the newest are chosen only when no other moment exists.
    fn least_useful(&self) -> usize {
        let at_us = |index: usize| self.moments.get(index).map_or(0, |(at_us, _)| *at_us);
        let inner = 1..self.moments.len().saturating_sub(1);
        inner.min_by_key(|index| at_us(index + 1).saturating_sub(at_us(index - 1))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Entries, Entry, History, Limits};
    use std::sync::Arc;

    /// Compares the stored moments after pushing two entries at each of `moments`.
    #[track_caller]
    fn check(rows_max: usize, moments: impl IntoIterator<Item = u64>, expected: &[u64]) {
        let mut history = History::new(Limits { step_us: 10, age_us_max: 100, rows_max });
        for at_us in moments {
            if history.is_due(at_us) {
                let entry = |name: &str| (name.into(), Entry { seen: at_us, ..Entry::default() });
                history.push(at_us, Entries::from([entry("a"), entry("b")]));
            }
        }
        let found: Vec<u64> = history.moments.iter().map(|(at_us, _)| *at_us).collect();
        assert_eq!(found, expected);
        for (at_us, entries) in &history.moments {
            let expected = (*at_us, entries.clone());
            assert_eq!((history.at(*at_us), history.at(at_us + 1)), (expected.clone(), expected));
        }
    }

    #[test]
    fn moments_are_a_step_apart_and_no_older_than_needed() {
        check(100, [], &[]);
        check(100, [1, 5, 11, 12, 30], &[1, 11, 30]);
        check(100, [0, 50, 99, 149, 160], &[50, 99, 149, 160]);
    }

    #[test]
    fn moments_are_thinned_out_beyond_the_limit() {
        check(8, (0..=6).map(|step| step * 10), &[0, 20, 40, 60]);
        check(4, [0, 20, 40, 60], &[0, 60]);
        check(2, [0, 20], &[20]);
        check(1, [0, 20], &[]);
    }

    #[test]
    fn time_before_all_moments_returns_the_oldest() {
        let mut history = History::new(Limits::default());
        assert_eq!(history.at(7), (0, Arc::default()));
        history.push(70, Entries::new());
        assert_eq!(history.at(7).0, 70);
    }
}
