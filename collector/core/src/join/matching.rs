//! A record meets those that wait.
//!
//! In: a record that is to wait. Out: hops, for those whose other side waits and tells the same answer; the others wait.
//! Always holds: a pair is made here only of a caller's single attempt and a called side that tell one answer, so that how
//! many such pairs there are does not depend on who came first.

use super::edge_stats::Cell;
use super::packed_record::{DURATION_US_MAX, Half, Words};
use super::pairing::{Times, is_same_answer};
use super::stats::Eviction;
use super::table::{Place, Under};
use super::verdict::{Pair, Verdict};
use super::{Join, Side};

/// So many records may wait under one key.
const GROUP_MAX: usize = 24;
/// By how much a record may stick out of its caller's to be joined at once; with more it is compared with others first.
const MISFIT_US_MAX: i64 = 10_000;
/// Of hops whose clocks agree well enough one in so many is used to compare them.
const SKEW_EVERY: u64 = 16;

/// Those that wait under the key of a newcomer.
#[derive(Default)]
struct Company {
    count: usize,
    /// Those of them that are of the same time.
    near: usize,
    /// How many records of called sides the callers made one expect.
    expected: usize,
    destinations: usize,
    /// The one that tells the same answer and fits best in time, and by how much it does not.
    best: Option<(i64, Place, Words)>,
}

impl Join {
    /// Most meet nobody, or their one other side. Whether it is the former.
    #[inline]
    pub(super) fn meet(&mut self, words: Words, now_us: u64) -> bool {
        let [key, ..] = words;
        let under = self.table.under(key);
        match under {
            Under::Nobody if self.table.len() < self.limits.pending_max => self.let_in(words, now_us),
            Under::One(place, other) if self.meet_one(words, place, other) => {}
            _ => self.meet_among(&Half::unpack(words), now_us),
        }
        matches!(under, Under::Nobody)
    }

    /// Joins a record with the only one that waits under its key, where nothing speaks against it.
    #[inline]
    fn meet_one(&mut self, words: Words, place: Place, other: Words) -> bool {
        let (half, other) = (Half::unpack(words), Half::unpack(other));
        if half.side == other.side {
            return false;
        }
        let (source, destination) = if half.side == Side::Source { (&half, &other) } else { (&other, &half) };
        let fits = may_be_joined(source, destination)
            && Times::misfit_us(source, destination, 0) <= MISFIT_US_MAX
            && self.table.remove(place);
        if fits {
            self.joined(source, destination, &at_once(source, destination), true);
        }
        fits
    }

    #[inline(never)]
    fn meet_among(&mut self, half: &Half, now_us: u64) {
        let company = self.company(half);
        if let Some((misfit_us, place, other)) = company.best
            && misfit_us <= MISFIT_US_MAX
            && self.table.remove(place)
        {
            let other = Half::unpack(other);
            let (source, destination) =
                if half.side == Side::Source { (half, &other) } else { (&other, half) };
            self.joined(source, destination, &at_once(source, destination), company.near <= 1);
            return;
        }
        if company.count >= GROUP_MAX {
            return self.evict(Eviction::Crowded, now_us);
        }
        self.wait(*half, &company, now_us);
    }

    fn company(&self, half: &Half) -> Company {
        let mut company = Company::default();
        let slack_us = self.limits.clock_tolerance_us();
        self.table.visit(half.key, |place, words| {
            let other = Half::unpack(words);
            company.count += 1;
            company.note(&other);
            company.near += usize::from(is_near(half, &other, slack_us));
            if other.side == half.side {
                return;
            }
            let (source, destination) =
                if half.side == Side::Source { (half, &other) } else { (&other, half) };
            if !may_be_joined(source, destination) {
                return;
            }
            let mut misfit_us = Times::misfit_us(source, destination, 0);
            if misfit_us > MISFIT_US_MAX {
                let ahead_us = self.skews.ahead_us(source.own, destination.own);
                misfit_us = misfit_us.min(Times::misfit_us(source, destination, ahead_us));
            }
            if company.best.is_none_or(|(best_us, ..)| misfit_us < best_us) {
                company.best = Some((misfit_us, place, words));
            }
        });
        company
    }

    fn wait(&mut self, mut half: Half, company: &Company, now_us: u64) {
        let mut both =
            Company { expected: company.expected, destinations: company.destinations, ..Company::default() };
        both.note(&half);
        if both.expected > 0 && both.destinations >= both.expected {
            // All that can be expected is here, so only others of the same id are waited for.
            let soon = Half::tick(now_us.saturating_add(self.limits.pairing_delay_us())).wrapping_add(1);
            if Half::is_due(soon, half.deadline) {
                half.deadline = soon;
            }
            let mut places = [None; GROUP_MAX];
            let mut free = places.iter_mut();
            self.table.visit(half.key, |place, _| {
                if let Some(free) = free.next() {
                    *free = Some(place);
                }
            });
            places.into_iter().flatten().for_each(|place| self.table.hasten(place, soon));
        }
        if self.table.len() >= self.limits.pending_max {
            let oldest = self.table.next_due_near(half.key, Half::tick(now_us));
            if oldest.is_some_and(|place| self.table.remove(place)) {
                self.evict(Eviction::Full, now_us);
            }
        }
        if self.table.len() >= self.limits.pending_max {
            return self.evict(Eviction::Crowded, now_us);
        }
        self.let_in(half.pack(), now_us);
    }

    #[inline]
    fn let_in(&mut self, words: Words, now_us: u64) {
        for _ in 0..self.table.insert(words) {
            self.evict(Eviction::Crowded, now_us);
        }
    }

    fn evict(&mut self, reason: Eviction, now_us: u64) {
        self.stats.evict(reason);
        self.evicted_us = now_us;
    }

    /// Counts a hop whose both sides are known.
    #[inline]
    pub(super) fn joined(&mut self, source: &Half, destination: &Half, pair: &Pair, sure: bool) {
        self.stats.joined = self.stats.joined.saturating_add(2);
        self.found(destination, Some(source));
        if !sure {
            self.stats.unsure = self.stats.unsure.saturating_add(1);
        }
        let whole = |half: &Half| half.duration_us < DURATION_US_MAX;
        let clean = sure && pair.same_answer && !pair.retried && whole(source) && whole(destination);
        if clean && source.key.is_multiple_of(SKEW_EVERY) {
            self.compare_clocks(source, destination);
        }
        let entry = self.entry(source.edge);
        entry.book.joined = entry.book.joined.saturating_add(1);
        if clean {
            entry.book.add_gap(source.duration_us, destination.duration_us);
        }
        entry.book.add(Cell {
            verdict: Verdict::of_pair(pair),
            source: Some(source.ending),
            destination: Some(destination.ending),
        });
        if destination.edge != source.edge {
            // The called side may name the edge in other words; that it was joined counts for both.
            let entry = self.entry(destination.edge);
            entry.book.joined = entry.book.joined.saturating_add(1);
        }
    }

    /// A hop that came through bounds the difference of both clocks.
    pub(super) fn compare_clocks(&mut self, source: &Half, destination: &Half) {
        let (low_us, high_us) = (destination.ended_after_us(source), destination.began_after_us(source));
        self.skews.note(source.own, destination.own, low_us, high_us);
    }
}

impl Company {
    fn note(&mut self, half: &Half) {
        match half.side {
            Side::Source => self.expected += usize::from(half.attempts.max(1)),
            Side::Destination => self.destinations += 1,
        }
    }
}

/// Whether a caller's single attempt and a called side tell one answer.
#[inline]
fn may_be_joined(source: &Half, destination: &Half) -> bool {
    source.attempts <= 1
        && destination.attempts <= 1
        && source.ending.is_answer()
        && is_same_answer(source, destination)
        && source.may_be_of(destination.caller)
}

/// What such two say together.
#[inline]
fn at_once(source: &Half, destination: &Half) -> Pair {
    Pair {
        source: source.ending,
        destination: destination.ending,
        same_answer: true,
        retried: false,
        began_after: false,
    }
}

/// Whether two records are of the same time, by more than their clocks are apart.
fn is_near(one: &Half, other: &Half, slack_us: i64) -> bool {
    let later_us = one.began_after_us(other);
    later_us <= i64::from(other.duration_us) + slack_us && -later_us <= i64::from(one.duration_us) + slack_us
}
