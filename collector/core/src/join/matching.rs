//! Matches a new record with the pending ones of its key.
//!
//! In: a packed record. Out: a hop, if a pending record of the other side reports the same
//! response; else a pending record.
//! Invariant: a match made here joins a source with a single attempt and a destination that report
//! the same response, so the number of such pairs does not depend on the order of arrival.

use super::edge_stats::HopOutcome;
use super::packed_record::{DURATION_US_MAX, PackedRecord, PendingRecord};
use super::pairing::{Timing, is_same_response};
use super::stats::Eviction;
use super::table::{Lookup, Position};
use super::verdict::{Pair, Verdict};
use super::{Join, Side};

/// Limit of pending records per key.
const GROUP_MAX: usize = 24;
/// Largest misfit of two intervals for an immediate match. Records with a larger one are compared
/// with other candidates first.
const MISFIT_US_MAX: i64 = 10_000;
/// Sampling rate of clock comparison: one in so many confident hops.
const SKEW_EVERY: u64 = 16;

/// Pending records with the key of a new record.
#[derive(Default)]
struct Candidates {
    count: usize,
    /// Candidates that overlap the new record in time.
    near: usize,
    /// Number of destination records that the attempts of the sources imply, of those that may have
    /// the same caller as the new record.
    expected: usize,
    /// Destination records that may have the same caller as the new record.
    destinations: usize,
    /// Candidate with the same response and the smallest misfit in time.
    best: Option<(i64, Position, PackedRecord)>,
}

impl Join {
    /// Fast path for zero or one candidate. Returns `true` if no record was pending.
    #[inline]
    pub(super) fn match_record(&mut self, words: PackedRecord, now_us: u64) -> bool {
        let [key, ..] = words;
        let found = self.table.lookup(key);
        match found {
            Lookup::Empty if self.table.len() < self.limits.pending_max => self.insert_pending(words, now_us),
            Lookup::One(position, other) if self.match_single(words, position, other) => {}
            _ => self.match_among(&PendingRecord::unpack(words), now_us),
        }
        matches!(found, Lookup::Empty)
    }

    /// Joins a record with the only pending one of its key, if both fit.
    #[inline]
    fn match_single(&mut self, words: PackedRecord, position: Position, other: PackedRecord) -> bool {
        let (record, other) = (PendingRecord::unpack(words), PendingRecord::unpack(other));
        if record.side == other.side {
            return false;
        }
        let (source, destination) =
            if record.side == Side::Source { (&record, &other) } else { (&other, &record) };
        let fits = is_immediate_match(source, destination)
            && Timing::misfit_us(source, destination, 0) <= MISFIT_US_MAX
            && self.table.remove(position);
        if fits {
            self.count_hop(source, destination, &immediate_pair(source, destination), true);
        }
        fits
    }

    #[inline(never)]
    fn match_among(&mut self, record: &PendingRecord, now_us: u64) {
        let candidates = self.candidates(record);
        if let Some((misfit_us, position, other)) = candidates.best
            && misfit_us <= MISFIT_US_MAX
            && self.table.remove(position)
        {
            let other = PendingRecord::unpack(other);
            let (source, destination) =
                if record.side == Side::Source { (record, &other) } else { (&other, record) };
            self.count_hop(source, destination, &immediate_pair(source, destination), candidates.near <= 1);
            return;
        }
        if candidates.count >= GROUP_MAX {
            return self.evict(Eviction::Crowded, now_us);
        }
        self.add_pending(*record, &candidates, now_us);
    }

    fn candidates(&self, record: &PendingRecord) -> Candidates {
        let mut candidates = Candidates::default();
        let slack_us = self.limits.clock_tolerance_us();
        self.table.visit(record.key, |position, words| {
            let other = PendingRecord::unpack(words);
            candidates.count += 1;
            if other.may_be_from(record.source_tag) {
                candidates.add(&other);
            }
            candidates.near += usize::from(is_near(record, &other, slack_us));
            if other.side == record.side {
                return;
            }
            let (source, destination) =
                if record.side == Side::Source { (record, &other) } else { (&other, record) };
            if !is_immediate_match(source, destination) {
                return;
            }
            let mut misfit_us = Timing::misfit_us(source, destination, 0);
            if misfit_us > MISFIT_US_MAX {
                let skew_us = self.clock_skews.skew_us(source.own, destination.own);
                misfit_us = misfit_us.min(Timing::misfit_us(source, destination, skew_us));
            }
            if candidates.best.is_none_or(|(best_us, ..)| misfit_us < best_us) {
                candidates.best = Some((misfit_us, position, words));
            }
        });
        candidates
    }

    fn add_pending(&mut self, mut record: PendingRecord, candidates: &Candidates, now_us: u64) {
        let mut both = Candidates {
            expected: candidates.expected,
            destinations: candidates.destinations,
            ..Candidates::default()
        };
        both.add(&record);
        if both.expected > 0 && both.destinations >= both.expected {
            // All expected records of the caller are here. The pairing delay covers further calls
            // with the same id; a record without a partner then waits for the rest of its window.
            record = self.advance_deadlines(&record, now_us);
        }
        if self.table.len() >= self.limits.pending_max {
            let oldest = self.table.next_due_near(record.key, PendingRecord::tick(now_us));
            if oldest.is_some_and(|position| self.table.remove(position)) {
                self.evict(Eviction::Full, now_us);
            }
        }
        if self.table.len() >= self.limits.pending_max {
            return self.evict(Eviction::Crowded, now_us);
        }
        self.insert_pending(record.pack(), now_us);
    }

    /// Advances the deadlines of a new record and of all that may have the same caller.
    fn advance_deadlines(&mut self, record: &PendingRecord, now_us: u64) -> PendingRecord {
        let window = self.limits.window_ticks();
        let soon = PendingRecord::tick(now_us.saturating_add(self.limits.pairing_delay_us())).wrapping_add(1);
        let mut positions = [None; GROUP_MAX];
        let mut free = positions.iter_mut();
        self.table.visit(record.key, |position, words| {
            if PendingRecord::unpack(words).may_be_from(record.source_tag)
                && let Some(free) = free.next()
            {
                *free = Some(position);
            }
        });
        let positions = positions.into_iter().flatten();
        positions.for_each(|position| self.table.advance_deadline(position, soon, window));
        let [key, first, second, third] = record.pack();
        PendingRecord::unpack([key, PendingRecord::with_advanced(first, soon, window), second, third])
    }

    #[inline]
    fn insert_pending(&mut self, words: PackedRecord, now_us: u64) {
        for _ in 0..self.table.insert(words) {
            self.evict(Eviction::Crowded, now_us);
        }
    }

    fn evict(&mut self, reason: Eviction, now_us: u64) {
        self.stats.add_evicted(reason);
        self.evicted_us = now_us;
    }

    /// Counts a hop with both records.
    #[inline]
    pub(super) fn count_hop(
        &mut self,
        source: &PendingRecord,
        destination: &PendingRecord,
        pair: &Pair,
        confident: bool,
    ) {
        self.stats.joined = self.stats.joined.saturating_add(2);
        self.infer_caller(destination, Some(source));
        if !confident {
            self.stats.low_confidence = self.stats.low_confidence.saturating_add(1);
        }
        let whole = |record: &PendingRecord| record.duration_us < DURATION_US_MAX;
        let clean = confident && pair.same_response && !pair.retried && whole(source) && whole(destination);
        if clean && source.key.is_multiple_of(SKEW_EVERY) {
            self.compare_clocks(source, destination);
        }
        let entry = self.edge_entry(source.edge);
        entry.hops.joined = entry.hops.joined.saturating_add(1);
        if clean {
            entry.hops.add_gap(source.duration_us, destination.duration_us);
        }
        entry.hops.add(HopOutcome {
            verdict: Verdict::of_pair(pair),
            source: Some(source.ending),
            destination: Some(destination.ending),
        });
        if destination.edge != source.edge {
            // The destination may resolve the edge to other names; the join counts for both edges.
            let entry = self.edge_entry(destination.edge);
            entry.hops.joined = entry.hops.joined.saturating_add(1);
        }
    }

    /// Derives bounds of the clock skew from a completed hop.
    pub(super) fn compare_clocks(&mut self, source: &PendingRecord, destination: &PendingRecord) {
        let (low_us, high_us) = (destination.ended_after_us(source), destination.began_after_us(source));
        self.clock_skews.add_bounds(source.own, destination.own, low_us, high_us);
    }
}

impl Candidates {
    fn add(&mut self, record: &PendingRecord) {
        match record.side {
            Side::Source => self.expected += usize::from(record.attempts.max(1)),
            Side::Destination => self.destinations += 1,
        }
    }
}

/// Whether a source with a single attempt and a destination report the same response.
#[inline]
fn is_immediate_match(source: &PendingRecord, destination: &PendingRecord) -> bool {
    source.attempts <= 1
        && destination.attempts <= 1
        && source.ending.is_response()
        && is_same_response(source, destination)
        && source.may_be_from(destination.source_tag)
}

/// The pair of an immediate match.
#[inline]
fn immediate_pair(source: &PendingRecord, destination: &PendingRecord) -> Pair {
    Pair {
        source: source.ending,
        destination: destination.ending,
        same_response: true,
        retried: false,
        began_after: false,
    }
}

/// Whether two records overlap in time, within the clock tolerance.
fn is_near(one: &PendingRecord, other: &PendingRecord, slack_us: i64) -> bool {
    let later_us = one.began_after_us(other);
    later_us <= i64::from(other.duration_us) + slack_us && -later_us <= i64::from(one.duration_us) + slack_us
}
