//! Pairs source and destination records that share request id and destination.
//!
//! In: pending records of one key that may be related. Out: one [`PairingResult`] per record.
//! Invariant: the result depends on the records only, not on their order of arrival. A pair is made
//! only if every possible pairing gives the same verdicts; otherwise the records are ambiguous.
//!
//! 1. Records of both sides with the same response (status and attempt) form a pair. Of several
//!    candidates the best fit in time wins; the number of pairs does not depend on this choice.
//! 2. A destination record with the number of an earlier attempt belongs to the source record that
//!    made the attempt.
//! 3. Records with the same response form a pair even if the destination's proxy names another
//!    caller: a destination record without a caller was paired with that caller.
//! 4. The remaining records of both sides form a pair where time leaves one choice: first among
//!    destinations that began during the call, then also among later ones; and where the choice
//!    makes no difference.

use super::Side;
use super::ending::Ending;
use super::packed_record::PendingRecord;

/// Longest delay of a destination after its source gave up. Records further apart are hardly ever
/// pending together.
pub(super) const LATE_US_MAX: i64 = 60_000_000;

/// Result of the pairing for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairingResult {
    /// Destination record of the source's last attempt, with the index of the source record.
    /// `confident`: no other record of the group could take its part.
    LastAttempt { source: usize, confident: bool },
    /// Destination record of an earlier attempt.
    EarlierAttempt { source: usize },
    /// Source record whose last attempt is known.
    Paired,
    /// Record without a record of the other side.
    Alone,
    /// Record with several possible partners that lead to different verdicts.
    Ambiguous,
}

/// Clock skew and tolerance for the comparison of two records.
pub(super) struct Timing<'a> {
    /// Returns by how much the destination's clock is ahead of the source's, in microseconds.
    pub(super) skew_us: &'a dyn Fn(&PendingRecord, &PendingRecord) -> i64,
    /// Clock tolerance, in microseconds.
    pub(super) tolerance_us: i64,
}

impl Timing<'_> {
    /// Returns by how much the destination's interval exceeds the source's, in microseconds.
    pub(super) fn misfit_us(source: &PendingRecord, destination: &PendingRecord, skew_us: i64) -> i64 {
        let early_us = skew_us - destination.began_after_us(source);
        let late_us = destination.ended_after_us(source) - skew_us;
        early_us.max(0) + late_us.max(0)
    }

    /// Returns the misfit after correction of the known clock skew.
    pub(super) fn misfit(&self, source: &PendingRecord, destination: &PendingRecord) -> i64 {
        Self::misfit_us(source, destination, (self.skew_us)(source, destination))
    }

    /// Returns the time from the end of the source to the start of the destination, in
    /// microseconds; mostly negative.
    pub(super) fn began_after_end_us(&self, source: &PendingRecord, destination: &PendingRecord) -> i64 {
        destination.began_after_us(source)
            - (self.skew_us)(source, destination)
            - i64::from(source.duration_us)
    }

    /// Whether a destination record may belong to this request: it began no earlier than the
    /// source, and before the source's end, unless the source gave up before a response.
    pub(super) fn fits(&self, source: &PendingRecord, destination: &PendingRecord) -> bool {
        let late_us = if source.ending.is_response() { 0 } else { LATE_US_MAX };
        self.began_within(source, destination, late_us)
    }

    /// Whether a destination began no earlier than the source, and at most `late_us` after its end.
    fn began_within(&self, source: &PendingRecord, destination: &PendingRecord, late_us: i64) -> bool {
        let began_us = destination.began_after_us(source) - (self.skew_us)(source, destination);
        let last_seen_us = i64::from(source.duration_us) + late_us + self.tolerance_us;
        source.may_be_from(destination.source_tag) && (-self.tolerance_us..=last_seen_us).contains(&began_us)
    }
}

/// Pairs a group of records. [`sort`] the group first, so that equal groups give equal results.
pub(super) fn pair_group(group: &[PendingRecord], times: &Timing<'_>) -> Vec<PairingResult> {
    let mut pairing =
        Pairing { group, times, results: vec![PairingResult::Alone; group.len()], pairs: Vec::new() };
    pairing.pair_same_responses();
    pairing.assign_earlier_attempts(false);
    pairing.pair_other_callers();
    pairing.pair_only_choices(true);
    pairing.pair_only_choices(false);
    pairing.pair_equal_choices();
    pairing.assign_earlier_attempts(true);
    pairing.mark_confidence();
    pairing.results
}

/// Sorts a group: sources first, then by time. `record`: the record of an entry. Times are relative
/// to the first record as it arrived; another base differs by a constant.
pub(super) fn sort<T>(group: &mut [T], record: impl Fn(&T) -> &PendingRecord) {
    let Some(first) = group.first().map(&record).copied() else { return };
    group.sort_by_key(|entry| {
        let record = record(entry);
        let destination = record.side == Side::Destination;
        (
            destination,
            record.ended_after_us(&first),
            record.duration_us,
            record.attempts,
            record.response,
            record.ending,
        )
    });
}

struct Pairing<'a> {
    group: &'a [PendingRecord],
    times: &'a Timing<'a>,
    results: Vec<PairingResult>,
    /// Indexes of sources and of the destinations of their last attempts.
    pairs: Vec<(usize, usize)>,
}

impl<'a> Pairing<'a> {
    fn record(&self, index: usize) -> Option<&'a PendingRecord> {
        self.group.get(index)
    }

    /// Returns the records of one side without a result yet.
    fn unpaired(&self, side: Side) -> Vec<(usize, &'a PendingRecord)> {
        let all = self.group.iter().enumerate().zip(&self.results);
        all.filter(|((_, record), result)| record.side == side && **result == PairingResult::Alone)
            .map(|(it, _)| it)
            .collect()
    }

    fn pair(&mut self, source: usize, destination: usize) {
        self.set(source, PairingResult::Paired);
        self.set(destination, PairingResult::LastAttempt { source, confident: true });
        self.pairs.push((source, destination));
    }

    fn set(&mut self, index: usize, new: PairingResult) {
        if let Some(result) = self.results.get_mut(index) {
            *result = new;
        }
    }

    fn pair_same_responses(&mut self) {
        // First the reported number of the attempt; then no reported number; then a number above
        // the source's attempts, which an earlier hop has set.
        let passes: [fn(u8, u8) -> bool; 3] = [
            |made, number| made.max(1) == number,
            |_, number| number == 0,
            |made, number| number > made.max(1),
        ];
        for fits in passes {
            for (index, source) in self.unpaired(Side::Source) {
                let candidates = self.unpaired(Side::Destination).into_iter().filter(|(_, destination)| {
                    source.ending.is_response()
                        && is_same_response(source, destination)
                        && source.may_be_from(destination.source_tag)
                        && fits(source.attempts, destination.attempts)
                });
                if let Some((best, _)) = candidates.min_by_key(|(_, it)| self.times.misfit(source, it)) {
                    self.pair(index, best);
                }
            }
        }
    }

    fn pair_other_callers(&mut self) {
        for (index, source) in self.unpaired(Side::Source) {
            let candidates = self.unpaired(Side::Destination).into_iter().filter(|(_, destination)| {
                source.attempts <= 1
                    && destination.attempts <= 1
                    && source.ending.is_response()
                    && is_same_response(source, destination)
            });
            if let Some((best, _)) = candidates.min_by_key(|(_, it)| self.times.misfit(source, it)) {
                self.set(index, PairingResult::Paired);
                self.set(best, PairingResult::LastAttempt { source: index, confident: false });
            }
        }
    }

    fn assign_earlier_attempts(&mut self, without_number: bool) {
        for (index, destination) in self.unpaired(Side::Destination) {
            let number = destination.attempts;
            if (number == 0) != without_number {
                continue;
            }
            let made = |source: &PendingRecord| source.attempts > number.max(1);
            let sources = self.group.iter().enumerate().filter(|(at, source)| {
                source.side == Side::Source
                    && made(source)
                    && self.times.fits(source, destination)
                    && self.accepts_attempt(*at, source, number)
            });
            let best = sources.min_by_key(|(_, source)| self.times.misfit(source, destination));
            if let Some((source, _)) = best {
                self.set(index, PairingResult::EarlierAttempt { source });
            }
        }
    }

    /// Whether a source has made one more earlier attempt with this number.
    fn accepts_attempt(&self, at: usize, source: &PendingRecord, number: u8) -> bool {
        let assigned = self
            .group
            .iter()
            .zip(&self.results)
            .filter(|(_, result)| **result == PairingResult::EarlierAttempt { source: at });
        if number == 0 {
            assigned.count() + 1 < usize::from(source.attempts)
        } else {
            !assigned.into_iter().any(|(record, _)| record.attempts == number)
        }
    }

    fn may_be_last(&self, source: &PendingRecord, destination: &PendingRecord) -> bool {
        has_last_number(source, destination) && self.times.fits(source, destination)
    }

    fn may_be_last_in_time(&self, source: &PendingRecord, destination: &PendingRecord) -> bool {
        has_last_number(source, destination) && self.times.began_within(source, destination, 0)
    }

    /// Pairs records that are each other's only choice, until none is left.
    fn pair_only_choices(&mut self, in_time: bool) {
        for _ in 0..self.group.len() {
            let (sources, destinations) = (self.unpaired(Side::Source), self.unpaired(Side::Destination));
            let may_be = |source: &PendingRecord, destination: &PendingRecord| {
                if in_time {
                    self.may_be_last_in_time(source, destination)
                } else {
                    self.may_be_last(source, destination)
                }
            };
            let only = sources.iter().find_map(|(index, source)| {
                let mut choices = destinations.iter().filter(|(_, it)| may_be(source, it));
                let (choice, destination) = choices.next().filter(|_| choices.next().is_none())?;
                let back = sources.iter().filter(|(_, it)| may_be(it, destination)).count();
                (back == 1).then_some((*index, *choice))
            });
            let Some((source, destination)) = only else { return };
            self.pair(source, destination);
        }
    }

    /// Pairs the records whose choices are all equivalent; the others become ambiguous.
    fn pair_equal_choices(&mut self) {
        let (sources, destinations) = (self.unpaired(Side::Source), self.unpaired(Side::Destination));
        let has_choice = |record: &PendingRecord, others: &[(usize, &PendingRecord)]| {
            others.iter().any(|(_, other)| {
                if record.side == Side::Source {
                    self.may_be_last(record, other)
                } else {
                    self.may_be_last(other, record)
                }
            })
        };
        let s: Vec<_> = sources.iter().filter(|(_, it)| has_choice(it, &destinations)).copied().collect();
        let d: Vec<_> = destinations.iter().filter(|(_, it)| has_choice(it, &sources)).copied().collect();
        let all_fit = s.iter().all(|(_, source)| d.iter().all(|(_, it)| self.may_be_last(source, it)));
        let uniform = |side: &[(usize, &PendingRecord)]| side.windows(2).all(is_equivalent);
        let equivalent = uniform(&s) && s.len() >= d.len() || uniform(&d) && d.len() >= s.len();
        if all_fit && equivalent {
            s.iter().zip(&d).for_each(|((source, _), (destination, _))| self.pair(*source, *destination));
        } else {
            s.iter().chain(&d).for_each(|(index, _)| self.set(*index, PairingResult::Ambiguous));
        }
    }

    /// A pair is confident if no other record of the group could replace one of the two.
    fn mark_confidence(&mut self) {
        for (source, destination) in self.pairs.clone() {
            let (Some(caller), Some(called)) = (self.record(source), self.record(destination)) else {
                continue;
            };
            let same = is_same_response(caller, called);
            let rivals = |source: &PendingRecord, destination: &PendingRecord| {
                self.may_be_last_in_time(source, destination)
                    && (!same || is_same_response(source, destination))
            };
            let others = self.group.iter().enumerate().any(|(index, record)| match record.side {
                Side::Source => index != source && rivals(record, called),
                Side::Destination => index != destination && rivals(caller, record),
            });
            self.set(destination, PairingResult::LastAttempt { source, confident: !others });
        }
    }
}

/// Whether a destination record may be the last attempt, by its number.
fn has_last_number(source: &PendingRecord, destination: &PendingRecord) -> bool {
    destination.attempts == 0 || destination.attempts >= source.attempts.max(1)
}

/// Whether both sides report the same response.
pub(super) fn is_same_response(source: &PendingRecord, destination: &PendingRecord) -> bool {
    let gone = matches!(destination.ending, Ending::CallerGaveUp | Ending::Silent);
    !gone && source.response.same(destination.response)
}

/// Whether two records of one side lead to the same verdict with any partner.
fn is_equivalent(pair: &[(usize, &PendingRecord)]) -> bool {
    let [(_, a), (_, b)] = pair else { return true };
    let kind = |record: &PendingRecord| {
        (record.ending, record.response, record.attempts > 1, record.edge, record.source_tag)
    };
    kind(a) == kind(b)
}

#[cfg(test)]
mod tests;
