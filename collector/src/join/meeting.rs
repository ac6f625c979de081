//! A record meets those that wait.
//!
//! In: the records of a report. Out: hops, for those whose other side waits and tells the same answer; the others wait.
//! Always holds: a pair is made here only of a caller's single attempt and a called side that tell one answer, so that how
//! many such pairs there are does not depend on who came first.

use super::books::Cell;
use super::ending::{Answer, Ending};
use super::half::{DURATION_US_MAX, Half, Words};
use super::judge::{Times, is_same_answer};
use super::lines::Line;
use super::stats::{Eviction, Unjoinable};
use super::table::{Place, Under};
use super::verdict::{Pair, Verdict};
use super::{Join, Side};
use crate::report::{Outcome, Record, Report};

/// So many records are prepared together; they fit the first cache.
const AHEAD: usize = 256;
/// So many records before one its bucket is fetched, and so many before it those that follow the bucket: as many as a processor
/// has reads under way, and more than that.
const FAR: usize = 24;
const NEAR: usize = 8;
/// So many records may wait under one key.
const GROUP_MAX: usize = 24;
/// A record that ended so long ago, or lies so far ahead, is not joined: within it times are told apart.
const AGE_US_MAX: u64 = 3_600 * 1_000_000;
/// By how much a record may stick out of its caller's to be joined at once; with more it is compared with others first.
const MISFIT_US_MAX: i64 = 10_000;
/// Of hops whose clocks agree well enough one in so many is used to compare them.
const SKEW_EVERY: u64 = 16;

/// An outcome as both sides would see it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    source: Ending,
    /// What it gives to the first word of a [`Half`], by side.
    source_word: u64,
    destination_word: u64,
    /// The same for a caller whose request never reached the router: its own proxy answered.
    unreached_word: u64,
}

impl Seen {
    fn of(outcome: &Outcome) -> Self {
        let answer = Answer::of(outcome);
        let source = Ending::of(outcome, Side::Source);
        Self {
            source,
            source_word: Half::outcome_word(source, answer),
            destination_word: Half::outcome_word(Ending::of(outcome, Side::Destination), answer),
            unreached_word: Half::outcome_word(Ending::Unreached, answer),
        }
    }
}

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
    pub(super) fn meet_all(&mut self, report: &Report, lines: &[Option<Line>], now_us: u64) {
        let folded = report.folds.iter().fold(0_u64, |sum, fold| sum.saturating_add(fold.count));
        self.stats.refuse(Unjoinable::Folded, folded);
        let seen: Vec<Seen> = report.outcomes.iter().map(Seen::of).collect();
        let deadline = Half::tick(now_us.saturating_add(self.limits.window_us)).wrapping_add(1);
        let mut coming = std::mem::take(&mut self.coming);
        for chunk in report.records.chunks(AHEAD) {
            coming.clear();
            for record in chunk {
                let line = lines.get(record.edge).and_then(Option::as_ref);
                let Some(seen) = seen.get(record.outcome) else { continue };
                coming.extend(self.half(record, line, seen, deadline, now_us));
            }
            self.meet_coming(&coming, now_us);
        }
        self.coming = coming;
    }

    /// Each finds its bucket fetched: the table is far larger than any cache, and one after the other they would wait for it.
    fn meet_coming(&mut self, coming: &[Words], now_us: u64) {
        let key_of = |words: &Words| words[0];
        coming.iter().take(FAR).map(key_of).for_each(|key| self.table.prefetch(key));
        coming.iter().take(NEAR).map(key_of).for_each(|key| self.table.prefetch_further(key, true));
        let mut stays = true;
        for (place, words) in coming.iter().enumerate() {
            if let Some(key) = coming.get(place + FAR).map(key_of) {
                self.table.prefetch(key);
            }
            if let Some(key) = coming.get(place + NEAR).map(key_of) {
                self.table.prefetch_further(key, stays);
            }
            stays = self.meet(*words, now_us);
        }
    }

    /// A record that is to wait; `None` when its fate is known at once.
    #[inline]
    fn half(
        &mut self,
        record: &Record,
        line: Option<&Line>,
        seen: &Seen,
        deadline: u16,
        now_us: u64,
    ) -> Option<Words> {
        let Some(line) = line.filter(|_| record.request_id_hash != 0) else {
            self.stats.refuse(Unjoinable::NoRequestId, 1);
            return None;
        };
        let is_source = line.side == Side::Source;
        let (outcome, unreached) = match (is_source, record.attempts) {
            (true, 0) => (seen.unreached_word, true),
            (true, 1) => (seen.source_word, seen.source == Ending::Unreached),
            (true, _) => (seen.source_word, false),
            (false, _) => (seen.destination_word, false),
        };
        let end_us = record.start_us.saturating_add(record.duration_us);
        let words = [
            key(record.request_id_hash, line.called),
            Half::first_word(outcome, line.edge_word, record.attempts, deadline),
            Half::second_word(end_us, record.duration_us),
            line.third_word,
        ];
        let out_of_time = is_out_of_time(record, now_us);
        if unreached || out_of_time || line.one_sided || line.unjoinable.is_some() {
            let reason = line.unjoinable.or(out_of_time.then_some(Unjoinable::OutOfTime));
            match reason.filter(|reason| !unreached || *reason != Unjoinable::NoPeer) {
                Some(reason) => self.stats.refuse(reason, 1),
                None => self.alone(&Half::unpack(words), now_us),
            }
            return None;
        }
        Some(words)
    }

    /// Most meet nobody, or their one other side. Whether it is the former.
    #[inline]
    fn meet(&mut self, words: Words, now_us: u64) -> bool {
        let [key, ..] = words;
        let under = self.table.under(key);
        match under {
            Under::Nobody if self.table.len() < self.limits.open_max => self.let_in(words, now_us),
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
        let slack_us = self.slack_us();
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
            let soon = Half::tick(now_us.saturating_add(self.limits.settle_us)).wrapping_add(1);
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
        if self.table.len() >= self.limits.open_max {
            let oldest = self.table.next_due_near(half.key, Half::tick(now_us));
            if oldest.is_some_and(|place| self.table.remove(place)) {
                self.evict(Eviction::Full, now_us);
            }
        }
        if self.table.len() >= self.limits.open_max {
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

    pub(super) fn slack_us(&self) -> i64 {
        i64::try_from(self.limits.slack_us).unwrap_or(i64::MAX)
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

/// Whether a record ended too long ago, or too far in the future.
pub(super) fn is_out_of_time(record: &Record, now_us: u64) -> bool {
    record.start_us.saturating_add(record.duration_us).abs_diff(now_us) > AGE_US_MAX
}

/// Request and called end in one number, never 0; what is different stays different.
pub(super) fn key(request_id_hash: u32, called: u32) -> u64 {
    let mixed = u64::from(request_id_hash) | u64::from(called) << 32;
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31).max(1)
}
