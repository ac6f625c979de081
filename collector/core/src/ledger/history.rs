//! How the books stood at earlier moments.
//!
//! In: all entries, from time to time. Out: those of a moment. Always holds: at most `rows_max` entries are remembered;
//! when they are too many, moments grow sparser, but the oldest stays until its age is over.

use super::entry::Entry;
use crate::batch::Text;
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};

/// How much is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time between two moments.
    pub step_us: u64,
    /// The oldest moment that is kept is the first one older than this.
    pub age_us_max: u64,
    /// Entries over all moments: one per proxy and moment.
    pub rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { step_us: 5 * 60 * 1_000_000, age_us_max: 24 * 3600 * 1_000_000, rows_max: 100_000 }
    }
}

type Entries = BTreeMap<Text, Entry>;

static NOTHING: LazyLock<Entries> = LazyLock::new(Entries::new);

/// See above.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    limits: Limits,
    /// When time began here; all entries were empty then.
    began_us: Option<u64>,
    /// In the order of time.
    moments: VecDeque<(u64, Arc<Entries>)>,
}

snapshot!(state History { began_us, moments } skip { limits });

impl History {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether it is time for a moment.
    pub(super) fn is_due(&self, now_us: u64) -> bool {
        let last_us = self.moments.back().map(|(at_us, _)| *at_us);
        last_us.is_none_or(|last_us| now_us.saturating_sub(last_us) >= self.limits.step_us)
    }

    /// Remembers how things stand.
    pub(super) fn note(&mut self, now_us: u64, entries: Entries) {
        self.began_us.get_or_insert(now_us);
        self.moments.push_back((now_us, Arc::new(entries)));
        let old_us = now_us.saturating_sub(self.limits.age_us_max);
        while self.moments.get(1).is_some_and(|(at_us, _)| *at_us <= old_us) {
            self.moments.pop_front();
        }
        while self.rows() > self.limits.rows_max && !self.moments.is_empty() {
            self.moments.remove(self.closest());
        }
    }

    /// The last moment not after `since_us`, or else the first there is.
    pub(super) fn at(&self, since_us: u64) -> (u64, &Entries) {
        let place = self.moments.partition_point(|(at_us, _)| *at_us <= since_us).saturating_sub(1);
        match self.moments.get(place) {
            Some((at_us, entries)) => (*at_us, &**entries),
            None => (self.began_us.unwrap_or(0), &NOTHING),
        }
    }

    /// How many entries are remembered.
    pub(super) fn rows(&self) -> usize {
        self.moments.iter().map(|(_, entries)| entries.len()).sum()
    }

    /// The moment without which the largest gap is smallest; neither the oldest nor the newest, while there is another.
    fn closest(&self) -> usize {
        let at_us = |place: usize| self.moments.get(place).map_or(0, |(at_us, _)| *at_us);
        let inner = 1..self.moments.len().saturating_sub(1);
        inner.min_by_key(|place| at_us(place + 1).saturating_sub(at_us(place - 1))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Entries, Entry, History, Limits};

    /// Moments at which to note two entries in, those that are remembered out.
    #[track_caller]
    fn check(rows_max: usize, moments: impl IntoIterator<Item = u64>, expected: &[u64]) {
        let mut history = History::new(Limits { step_us: 10, age_us_max: 100, rows_max });
        for at_us in moments {
            if history.is_due(at_us) {
                let entry = |name: &str| (name.into(), Entry { seen: at_us, ..Entry::default() });
                history.note(at_us, Entries::from([entry("a"), entry("b")]));
            }
        }
        let found: Vec<u64> = history.moments.iter().map(|(at_us, _)| *at_us).collect();
        assert_eq!(found, expected);
        for (at_us, entries) in &history.moments {
            let expected = (*at_us, &**entries);
            assert_eq!((history.at(*at_us), history.at(at_us + 1)), (expected, expected));
        }
    }

    #[test]
    fn moments_are_a_step_apart_and_no_older_than_needed() {
        check(100, [], &[]);
        check(100, [1, 5, 11, 12, 30], &[1, 11, 30]);
        check(100, [0, 50, 99, 149, 160], &[50, 99, 149, 160]);
    }

    #[test]
    fn too_many_grow_sparser() {
        check(8, (0..=6).map(|step| step * 10), &[0, 20, 40, 60]);
        check(4, [0, 20, 40, 60], &[0, 60]);
        check(2, [0, 20], &[20]);
        check(1, [0, 20], &[]);
    }

    #[test]
    fn what_is_older_than_all_is_the_oldest() {
        let mut history = History::new(Limits::default());
        assert_eq!(history.at(7), (0, &Entries::new()));
        history.note(70, Entries::new());
        assert_eq!(history.at(7).0, 70);
    }
}
