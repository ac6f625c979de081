//! Resolves pending records at their deadline.
//!
//! In: a key with records that are due. Out: their verdicts.
//! Invariant: a due record is counted and removed, together with the pending records that may
//! belong to the same calls, or waits for the rest of its window. Other records of the key stay
//! pending.

use super::caller_inference;
use super::completion::completed;
use super::edge_stats::{EdgeEntry, HopOutcome};
use super::ending::Ending;
use super::late_records::{CountedRecord, LateRecord};
use super::packed_record::PendingRecord;
use super::pairing::{self, PairingResult, Timing, is_same_response};
use super::table::Position;
use super::verdict::{Pair, Verdict};
use super::{Join, Side};

/// Shortest delay from the end of the source to the start of the destination that counts as a late
/// request; a shorter one may be clock error.
const BEGAN_AFTER_US_MIN: i64 = 10_000;

/// Result of one record of a group.
struct Resolved {
    result: PairingResult,
    /// Whether the record is counted now; the others stay pending.
    is_completed: bool,
    /// Whether a destination began after its source had ended.
    began_after: bool,
}

impl Join {
    /// Resolves the due records of a key.
    pub(super) fn resolve(&mut self, key: u64, now_us: u64) {
        let mut pending: Vec<(Position, PendingRecord)> = Vec::new();
        self.table.visit(key, |position, record| pending.push((position, PendingRecord::unpack(record))));
        let now = PendingRecord::tick(now_us);
        let is_due = |record: &PendingRecord| PendingRecord::is_due(record.deadline, now);
        let has_waited = |record: &PendingRecord| is_due(record) && !record.is_advanced();
        if let [(position, record)] = pending.as_slice() {
            if has_waited(record) {
                if self.table.remove(*position) {
                    self.count_without_other(record, now_us);
                }
            } else if is_due(record) {
                self.table.restore_deadline(*position, self.limits.window_ticks());
            }
            return;
        }
        let mut included: Vec<bool> = pending.iter().map(|(_, record)| is_due(record)).collect();
        self.include_related(&pending, &mut included);
        let mut group: Vec<(Position, PendingRecord)> =
            pending.into_iter().zip(included).filter(|(_, included)| *included).map(|(it, _)| it).collect();
        pairing::sort(&mut group, |(_, record)| record);
        let (positions, group): (Vec<Position>, Vec<PendingRecord>) = group.into_iter().unzip();
        let resolved = self.pair(&group, has_waited);
        for ((position, record), resolved) in positions.iter().zip(&group).zip(&resolved) {
            if resolved.is_completed {
                self.table.remove(*position);
            } else if is_due(record) {
                self.table.restore_deadline(*position, self.limits.window_ticks());
            }
        }
        self.count_group(&group, &resolved, now_us);
    }

    /// Pairs a sorted group.
    fn pair(&self, group: &[PendingRecord], waited: impl Fn(&PendingRecord) -> bool) -> Vec<Resolved> {
        let skews = &self.clock_skews;
        let skew_us =
            |source: &PendingRecord, destination: &PendingRecord| skews.skew_us(source.own, destination.own);
        let times = Timing { skew_us: &skew_us, tolerance_us: self.limits.clock_tolerance_us() };
        let results = pairing::pair_group(group, &times);
        let completed = completed(group, &results, waited);
        let began_after = |source: &PendingRecord, destination: &PendingRecord| {
            times.began_after_end_us(source, destination) > BEGAN_AFTER_US_MIN
        };
        let resolved = group.iter().zip(results).zip(completed);
        let resolved = resolved.map(|((record, result), is_completed)| {
            let source = match result {
                PairingResult::LastAttempt { source, .. } => group.get(source),
                _ => None,
            };
            let began_after = source.is_some_and(|source| began_after(source, record));
            Resolved { result, is_completed, began_after }
        });
        resolved.collect()
    }

    /// Adds the records that may be the other side of included ones, transitively.
    fn include_related(&self, pending: &[(Position, PendingRecord)], included: &mut [bool]) {
        let skew_us = |source: &PendingRecord, destination: &PendingRecord| {
            self.clock_skews.skew_us(source.own, destination.own)
        };
        let times = Timing { skew_us: &skew_us, tolerance_us: self.limits.clock_tolerance_us() };
        let related = |a: &PendingRecord, b: &PendingRecord| {
            let (source, destination) = match (a.side, b.side) {
                (Side::Source, Side::Destination) => (a, b),
                (Side::Destination, Side::Source) => (b, a),
                _ => return false,
            };
            times.fits(source, destination) || is_same_response(source, destination)
        };
        for _ in 0..pending.len() {
            let next = pending.iter().zip(&*included).position(|((_, record), is_included)| {
                let mut others = pending.iter().zip(&*included).filter(|(_, included)| **included);
                !is_included && others.any(|((_, other), _)| related(record, other))
            });
            let Some(included) = next.and_then(|next| included.get_mut(next)) else { return };
            *included = true;
        }
    }

    fn count_group(&mut self, group: &[PendingRecord], resolved: &[Resolved], now_us: u64) {
        let mut ambiguous: Vec<&PendingRecord> = Vec::new();
        let only_source = caller_inference::only_source(group);
        for (record, resolved) in group.iter().zip(resolved).filter(|(_, it)| it.is_completed) {
            match &resolved.result {
                PairingResult::Paired => {}
                PairingResult::Alone => self.count_without_other(record, now_us),
                PairingResult::Ambiguous => {
                    self.infer_caller(record, only_source);
                    ambiguous.push(record);
                }
                PairingResult::EarlierAttempt { source } => {
                    self.stats.joined = self.stats.joined.saturating_add(1);
                    self.infer_caller(record, group.get(*source));
                }
                PairingResult::LastAttempt { source, confident } => {
                    let Some(source) = group.get(*source) else { continue };
                    let pair = Pair {
                        source: source.ending,
                        destination: record.ending,
                        same_response: is_same_response(source, record),
                        retried: source.attempts > 1,
                        began_after: resolved.began_after,
                    };
                    if *confident && pair.same_response && source.ending.is_response() && !pair.retried {
                        // Its times did not fit, or it would have matched on arrival: the known
                        // skew is wrong.
                        self.compare_clocks(source, record);
                    }
                    self.count_hop(source, record, &pair, *confident);
                }
            }
        }
        self.count_ambiguous(&ambiguous);
    }

    /// Counts the largest possible number of hops: each destination record may belong to one source
    /// record.
    fn count_ambiguous(&mut self, records: &[&PendingRecord]) {
        self.stats.ambiguous = self.stats.ambiguous.saturating_add(records.len() as u64);
        let (sources, destinations): (Vec<&PendingRecord>, Vec<&PendingRecord>) =
            records.iter().partition(|record| record.side == Side::Source);
        let longer = if sources.len() >= destinations.len() { sources } else { destinations };
        for record in longer {
            self.count_unpaired(record, Verdict::Ambiguous);
        }
    }

    /// Counts a record that waited for its whole window: as a late record of a hop that was counted
    /// before, or alone.
    fn count_without_other(&mut self, record: &PendingRecord, now_us: u64) {
        let skews = &self.clock_skews;
        let skew_us =
            |source: &PendingRecord, destination: &PendingRecord| skews.skew_us(source.own, destination.own);
        let times = Timing { skew_us: &skew_us, tolerance_us: self.limits.clock_tolerance_us() };
        let Some(LateRecord { source, destination, verdict, is_last }) = self.counted.find(record, &times)
        else {
            let verdict = self.count_alone(record, now_us);
            return self.counted.insert(CountedRecord { words: record.pack(), verdict, counted_us: now_us });
        };
        let pair = Pair {
            source: source.ending,
            destination: destination.ending,
            same_response: is_same_response(&source, &destination),
            retried: source.attempts > 1,
            began_after: times.began_after_end_us(&source, &destination) > BEGAN_AFTER_US_MIN,
        };
        self.stats.late = self.stats.late.saturating_add(1);
        if is_last {
            self.stats.add_corrected(verdict, Verdict::of_pair(&pair));
        }
        if record.side == Side::Destination {
            self.infer_caller(record, Some(&source));
        }
    }

    /// Counts a record without a record of the other side.
    pub(super) fn count_alone(&mut self, record: &PendingRecord, now_us: u64) -> Verdict {
        self.stats.alone = self.stats.alone.saturating_add(1);
        self.infer_caller(record, None);
        let verdict = match record.side {
            Side::Source => Verdict::of_source(record.ending),
            Side::Destination => Verdict::of_destination(record.ending),
        };
        let verdict = if verdict == Verdict::NotForwarded {
            verdict
        } else {
            self.explain_missing(record, verdict, now_us)
        };
        if verdict == Verdict::PeerNotInstrumented {
            let entry = self.edge_entry(record.edge);
            entry.hops.peer_not_instrumented = entry.hops.peer_not_instrumented.saturating_add(1);
        }
        self.count_unpaired(record, verdict);
        verdict
    }

    fn count_unpaired(&mut self, record: &PendingRecord, verdict: Verdict) {
        let (source, destination) = match record.side {
            Side::Source => (Some(record.ending), None),
            Side::Destination => (None, Some(record.ending)),
        };
        self.edge_entry(record.edge).hops.add(HopOutcome { verdict, source, destination });
    }

    /// Replaces a verdict if the other side never reports, or if records are known to be lost.
    fn explain_missing(&self, record: &PendingRecord, verdict: Verdict, now_us: u64) -> Verdict {
        let entry = self.edges.get(record.edge);
        let other = entry.and_then(|entry| match record.side {
            Side::Source => self.destinations.get(entry.destination),
            Side::Destination => self.sources.get(entry.source),
        });
        let peer_not_instrumented = match (other, record.side) {
            (Some(other), _) => other.last_report_us == 0,
            // The source is unknown: it has a proxy only if its attempts are numbered and other
            // hops of the edge were joined.
            (None, Side::Destination) => {
                record.attempts == 0 || entry.is_some_and(|entry| entry.hops.joined == 0)
            }
            (None, Side::Source) => false,
        };
        if peer_not_instrumented {
            // The outcome of the source does not depend on the destination's telemetry.
            let succeeded = record.side == Side::Source && record.ending == Ending::Ok && record.attempts > 1;
            return if succeeded { Verdict::SucceededAfterRetry } else { Verdict::PeerNotInstrumented };
        }
        let since_us = now_us.saturating_sub(self.limits.window_us().saturating_mul(2));
        let within = |time_us: u64| time_us > 0 && time_us >= since_us;
        let proxy = record.peer.checked_sub(1).and_then(|number| self.proxies.get(number));
        let lost = match proxy {
            Some(losses) => losses.is_lost_since(since_us),
            None => other.is_some_and(|other| within(other.last_loss_us)),
        };
        // The other side has responded, so its proxy has a record, which it may not have reported.
        let unreported = verdict == Verdict::RecordMissing && {
            let silent_us = now_us.saturating_sub(self.limits.window_us());
            let tolerance_us = self.limits.clock_tolerance_us().unsigned_abs();
            let end_us = self.clock.time_of(record.end_us(self.clock.wall_us()));
            let end_us = end_us.min(silent_us).saturating_add(tolerance_us);
            match proxy {
                Some(losses) => !losses.has_reported(end_us, silent_us),
                None => other.is_some_and(|other| other.last_report_us < end_us),
            }
        };
        if lost || unreported || within(self.evicted_us) { Verdict::TelemetryLost } else { verdict }
    }

    pub(super) fn edge_entry(&mut self, edge: u32) -> &mut EdgeEntry {
        self.edges.get_mut(edge).unwrap_or(&mut self.overflow)
    }
}
