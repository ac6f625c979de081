//! Who belongs to whom, among the records of one request id at one called end.
//!
//! In: records that wait under one key and have to do with each other. Out: one [`Found`] for each of them. Always holds:
//! the result depends on the records only, not on the order in which they came; a pair is made only where every way to
//! pair leads to the same verdicts, else those concerned are ambiguous.
//!
//! 1. Records of both sides that tell of the same answer (status and attempt) belong together. Of several, those that fit
//!    best in time are taken; how many pairs there are does not depend on the choice.
//! 2. A called side's record with the number of an earlier attempt belongs to the caller's record that made the attempt.
//! 3. What is left of both sides is paired where time leaves one choice, first among what began during the call, then
//!    among what began later, too; and where the choice makes no difference.

use super::Side;
use super::packed_record::Half;

/// What a called side may be late by when its caller had given up: longer waits do not stay open anyway.
const LATE_US_MAX: i64 = 60_000_000;

/// What was found of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A called side's record is that of the caller's last attempt: the place of the caller's record, and whether no other
    /// could have been meant.
    Last { source: usize, sure: bool },
    /// It is that of an earlier attempt.
    Earlier { source: usize },
    /// A caller's record: its last attempt is known.
    Paired,
    /// The other side told nothing of it.
    Alone,
    /// It belongs to one of several, and which one decides.
    Ambiguous,
}

/// Clocks and tolerance.
pub(super) struct Times<'a> {
    /// How far the clock of the called proxy is ahead of the caller's, microseconds.
    pub(super) ahead_us: &'a dyn Fn(&Half, &Half) -> i64,
    /// By how much a record may stick out of its caller's, microseconds.
    pub(super) slack_us: i64,
}

impl Times<'_> {
    /// By how much a called side's record sticks out of its caller's, microseconds.
    pub(super) fn misfit_us(source: &Half, destination: &Half, ahead_us: i64) -> i64 {
        let early_us = ahead_us - destination.began_after_us(source);
        let late_us = destination.ended_after_us(source) - ahead_us;
        early_us.max(0) + late_us.max(0)
    }

    /// By how much, with the clocks as they are known.
    pub(super) fn misfit(&self, source: &Half, destination: &Half) -> i64 {
        Self::misfit_us(source, destination, (self.ahead_us)(source, destination))
    }

    /// How long after its caller had ended a called side began, microseconds; negative as a rule.
    pub(super) fn began_after_end_us(&self, source: &Half, destination: &Half) -> i64 {
        destination.began_after_us(source)
            - (self.ahead_us)(source, destination)
            - i64::from(source.duration_us)
    }

    /// Whether a called side's record may be of this request: begun with it or later, and before its end, unless the
    /// caller gave up before there was an end.
    pub(super) fn fits(&self, source: &Half, destination: &Half) -> bool {
        let late_us = if source.ending.is_answer() { 0 } else { LATE_US_MAX };
        self.began_within(source, destination, late_us)
    }

    /// Whether a called side began with the request or later, and no later than so long after its end.
    fn began_within(&self, source: &Half, destination: &Half, late_us: i64) -> bool {
        let began_us = destination.began_after_us(source) - (self.ahead_us)(source, destination);
        let last_us = i64::from(source.duration_us) + late_us + self.slack_us;
        source.may_be_of(destination.caller) && (-self.slack_us..=last_us).contains(&began_us)
    }
}

/// Judges a group. Sort it first with [`order`], so that equal groups are judged equally.
pub(super) fn judge(group: &[Half], times: &Times<'_>) -> Vec<Found> {
    let mut judging = Judging { group, times, found: vec![Found::Alone; group.len()], pairs: Vec::new() };
    judging.same_answers();
    judging.earlier_attempts(false);
    judging.only_choices(true);
    judging.only_choices(false);
    judging.equal_choices();
    judging.earlier_attempts(true);
    judging.sureness();
    judging.found
}

/// In which order a group is judged: callers first, then by time.
pub(super) fn order(group: &mut [Half]) {
    let Some(first) = group.first().copied() else { return };
    group.sort_by_key(|half| {
        let destination = half.side == Side::Destination;
        (destination, half.ended_after_us(&first), half.duration_us, half.attempts, half.answer, half.ending)
    });
    // Times are told against the first record of the group as it came; against another they differ by a constant.
}

struct Judging<'a> {
    group: &'a [Half],
    times: &'a Times<'a>,
    found: Vec<Found>,
    /// Places of callers and of the called sides of their last attempts.
    pairs: Vec<(usize, usize)>,
}

impl<'a> Judging<'a> {
    fn half(&self, place: usize) -> Option<&'a Half> {
        self.group.get(place)
    }

    /// Places of one side that nothing was found of yet.
    fn open(&self, side: Side) -> Vec<(usize, &'a Half)> {
        let all = self.group.iter().enumerate().zip(&self.found);
        all.filter(|((_, half), found)| half.side == side && **found == Found::Alone)
            .map(|(it, _)| it)
            .collect()
    }

    fn pair(&mut self, source: usize, destination: usize) {
        self.set(source, Found::Paired);
        self.set(destination, Found::Last { source, sure: true });
        self.pairs.push((source, destination));
    }

    fn set(&mut self, place: usize, what: Found) {
        if let Some(found) = self.found.get_mut(place) {
            *found = what;
        }
    }

    fn same_answers(&mut self) {
        // The attempt as it was numbered; then where no number was told; then a number that the caller cannot have given,
        // since it came through from further back.
        let passes: [fn(u8, u8) -> bool; 3] = [
            |made, number| made.max(1) == number,
            |_, number| number == 0,
            |made, number| number > made.max(1),
        ];
        for fits in passes {
            for (place, source) in self.open(Side::Source) {
                let candidates = self.open(Side::Destination).into_iter().filter(|(_, destination)| {
                    source.ending.is_answer()
                        && is_same_answer(source, destination)
                        && source.may_be_of(destination.caller)
                        && fits(source.attempts, destination.attempts)
                });
                if let Some((best, _)) = candidates.min_by_key(|(_, it)| self.times.misfit(source, it)) {
                    self.pair(place, best);
                }
            }
        }
    }

    fn earlier_attempts(&mut self, without_number: bool) {
        for (place, destination) in self.open(Side::Destination) {
            let number = destination.attempts;
            if (number == 0) != without_number {
                continue;
            }
            let made = |source: &Half| source.attempts > number.max(1);
            let sources = self.group.iter().enumerate().filter(|(at, source)| {
                source.side == Side::Source
                    && made(source)
                    && self.times.fits(source, destination)
                    && self.has_room(*at, source, number)
            });
            let best = sources.min_by_key(|(_, source)| self.times.misfit(source, destination));
            if let Some((source, _)) = best {
                self.set(place, Found::Earlier { source });
            }
        }
    }

    /// Whether a caller's record can take one more earlier attempt of this number.
    fn has_room(&self, at: usize, source: &Half, number: u8) -> bool {
        let taken =
            self.group.iter().zip(&self.found).filter(|(_, found)| **found == Found::Earlier { source: at });
        if number == 0 {
            taken.count() + 1 < usize::from(source.attempts)
        } else {
            !taken.into_iter().any(|(half, _)| half.attempts == number)
        }
    }

    fn may_be_last(&self, source: &Half, destination: &Half) -> bool {
        has_last_number(source, destination) && self.times.fits(source, destination)
    }

    fn may_be_last_in_time(&self, source: &Half, destination: &Half) -> bool {
        has_last_number(source, destination) && self.times.began_within(source, destination, 0)
    }

    /// Pairs where each is the only choice of the other, as long as there are such.
    fn only_choices(&mut self, in_time: bool) {
        for _ in 0..self.group.len() {
            let (sources, destinations) = (self.open(Side::Source), self.open(Side::Destination));
            let may_be = |source: &Half, destination: &Half| {
                if in_time {
                    self.may_be_last_in_time(source, destination)
                } else {
                    self.may_be_last(source, destination)
                }
            };
            let only = sources.iter().find_map(|(place, source)| {
                let mut choices = destinations.iter().filter(|(_, it)| may_be(source, it));
                let (choice, destination) = choices.next().filter(|_| choices.next().is_none())?;
                let back = sources.iter().filter(|(_, it)| may_be(it, destination)).count();
                (back == 1).then_some((*place, *choice))
            });
            let Some((source, destination)) = only else { return };
            self.pair(source, destination);
        }
    }

    /// Pairs those where every choice comes to the same; the others are ambiguous.
    fn equal_choices(&mut self) {
        let (sources, destinations) = (self.open(Side::Source), self.open(Side::Destination));
        let concerned = |half: &Half, others: &[(usize, &Half)]| {
            others.iter().any(|(_, other)| {
                if half.side == Side::Source {
                    self.may_be_last(half, other)
                } else {
                    self.may_be_last(other, half)
                }
            })
        };
        let s: Vec<_> = sources.iter().filter(|(_, it)| concerned(it, &destinations)).copied().collect();
        let d: Vec<_> = destinations.iter().filter(|(_, it)| concerned(it, &sources)).copied().collect();
        let all_fit = s.iter().all(|(_, source)| d.iter().all(|(_, it)| self.may_be_last(source, it)));
        let uniform = |side: &[(usize, &Half)]| side.windows(2).all(alike);
        let no_matter = uniform(&s) && s.len() >= d.len() || uniform(&d) && d.len() >= s.len();
        if all_fit && no_matter {
            s.iter().zip(&d).for_each(|((source, _), (destination, _))| self.pair(*source, *destination));
        } else {
            s.iter().chain(&d).for_each(|(place, _)| self.set(*place, Found::Ambiguous));
        }
    }

    /// A pair is sure when neither of the two could have been with another of the group.
    fn sureness(&mut self) {
        for (source, destination) in self.pairs.clone() {
            let (Some(caller), Some(called)) = (self.half(source), self.half(destination)) else { continue };
            let same = is_same_answer(caller, called);
            let rivals = |source: &Half, destination: &Half| {
                self.may_be_last_in_time(source, destination)
                    && (!same || is_same_answer(source, destination))
            };
            let others = self.group.iter().enumerate().any(|(place, half)| match half.side {
                Side::Source => place != source && rivals(half, called),
                Side::Destination => place != destination && rivals(caller, half),
            });
            self.set(destination, Found::Last { source, sure: !others });
        }
    }
}

/// Whether a called side's record may be that of the last attempt, by its number.
fn has_last_number(source: &Half, destination: &Half) -> bool {
    destination.attempts == 0 || destination.attempts >= source.attempts.max(1)
}

/// Whether both tell of one answer.
pub(super) fn is_same_answer(source: &Half, destination: &Half) -> bool {
    let gone = matches!(destination.ending, super::Ending::CallerGaveUp | super::Ending::Silent);
    !gone && source.answer.same(destination.answer)
}

/// Whether two records of one side come to the same verdict with any other.
fn alike(pair: &[(usize, &Half)]) -> bool {
    let [(_, a), (_, b)] = pair else { return true };
    let kind = |half: &Half| (half.ending, half.answer, half.attempts > 1, half.edge, half.caller);
    kind(a) == kind(b)
}

#[cfg(test)]
mod tests;
