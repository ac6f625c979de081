//! Records that were counted without the other side, for the case that its record arrives late.
//!
//! In: records that count as alone, with their verdict. Out: the record that a late one belongs to.
//! Invariant: a hop is counted once. Counters never fall, so the verdict stays as it was counted,
//! and the late record is counted as a correction: by that verdict, and by the verdict of both
//! records. A longer wait would give one verdict at once, but `request_lost` would come a minute
//! after the fault instead of 15 s.
//! At most `pending_max` / 16 records are stored; one more removes the oldest, which is counted.

use super::Side;
use super::packed_record::{PackedRecord, PendingRecord};
use super::pairing::{LATE_US_MAX, Timing, is_same_response};
use super::verdict::Verdict;
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::Included;

/// Pending records per stored one.
const SHARE: usize = 16;

/// Record that was counted without the other side.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedRecord {
    pub(super) words: PackedRecord,
    pub(super) verdict: Verdict,
    pub(super) counted_us: u64,
}

/// Stored records by key, and in the order in which they were counted.
#[derive(Debug)]
pub(super) struct CountedRecords {
    max: usize,
    /// By key and number.
    records: BTreeMap<(u64, u64), CountedRecord>,
    /// Keys and numbers, the oldest first. Records that were removed meanwhile are absent from
    /// `records`.
    order: VecDeque<(u64, u64)>,
    /// Number of the next record.
    next: u64,
    evicted: u64,
}

impl CountedRecords {
    /// Returns an empty store beside `pending_max` pending records.
    pub(super) fn new(pending_max: usize) -> Self {
        Self {
            max: pending_max / SHARE,
            records: BTreeMap::new(),
            order: VecDeque::new(),
            next: 0,
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Records that were removed because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Stores a record, unless its verdict expects no other record.
    pub(super) fn insert(&mut self, record: CountedRecord) {
        let is_final = matches!(
            record.verdict,
            Verdict::NotForwarded | Verdict::PeerNotInstrumented | Verdict::Ambiguous
        );
        if is_final || self.max == 0 {
            return;
        }
        while self.order.len() >= self.max {
            self.evicted = self.evicted.saturating_add(u64::from(self.pop_oldest()));
        }
        let [key, ..] = record.words;
        self.records.insert((key, self.next), record);
        self.order.push_back((key, self.next));
        self.next = self.next.wrapping_add(1);
    }

    /// Removes the records that are too old for a late record. `window_us`: the wait of that one.
    pub(super) fn expire(&mut self, window_us: u64, now_us: u64) {
        let since_us = now_us.saturating_sub(LATE_US_MAX.unsigned_abs()).saturating_sub(window_us);
        let is_old = |record: &CountedRecord| record.counted_us < since_us;
        while self.order.front().is_some_and(|oldest| self.records.get(oldest).is_none_or(is_old)) {
            self.pop_oldest();
        }
    }

    /// Returns the stored record that a late one belongs to; removes it, unless the late one is an
    /// earlier attempt of it.
    pub(super) fn find(&mut self, late: &PendingRecord, times: &Timing<'_>) -> Option<LateRecord> {
        let of_key = self.records.range((Included((late.key, 0)), Included((late.key, u64::MAX))));
        let (at, found) = of_key.into_iter().find_map(|(at, counted)| {
            let other = PendingRecord::unpack(counted.words);
            let (source, destination) = match (other.side, late.side) {
                (Side::Source, Side::Destination) => (other, *late),
                (Side::Destination, Side::Source) => (*late, other),
                _ => return None,
            };
            let is_same = is_same_response(&source, &destination)
                && source.may_be_from(destination.source_tag)
                && source.attempts <= 1;
            let is_last = source.attempts <= destination.attempts.max(1);
            let found = LateRecord { source, destination, verdict: counted.verdict, is_last };
            (is_same || times.fits(&source, &destination)).then_some((*at, found))
        })?;
        if found.is_last {
            self.records.remove(&at);
        }
        Some(found)
    }

    /// Removes the oldest entry. Returns whether its record was still stored.
    fn pop_oldest(&mut self) -> bool {
        self.order.pop_front().is_some_and(|oldest| self.records.remove(&oldest).is_some())
    }
}

impl SnapshotState for CountedRecords {
    fn save(&self, to: &mut Writer) {
        self.next.save(to);
        self.evicted.save(to);
        self.order.len().save(to);
        for at in &self.order {
            let (key, number) = *at;
            let record = self.records.get(at);
            (number, record.is_some()).save(to);
            match record {
                Some(record) => {
                    to.words(record.words);
                    to.number(record.verdict.number().into());
                    record.counted_us.save(to);
                }
                None => to.words([key]),
            }
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.next = u64::load(from)?;
        self.evicted = u64::load(from)?;
        for _ in 0..from.count()? {
            let (number, is_stored) = <(u64, bool)>::load(from)?;
            if !is_stored {
                let [key] = from.words()?;
                self.order.push_back((key, number));
                continue;
            }
            let words: PackedRecord = from.words()?;
            let [key, ..] = words;
            let verdict = Verdict::ALL.get(usize::load(from)?).copied();
            let verdict = verdict.ok_or_else(|| from.broken("no such verdict"))?;
            let record = CountedRecord { words, verdict, counted_us: u64::load(from)? };
            self.order.push_back((key, number));
            self.records.insert((key, number), record);
        }
        Ok(())
    }
}

/// A late record with the one that it belongs to.
pub(super) struct LateRecord {
    pub(super) source: PendingRecord,
    pub(super) destination: PendingRecord,
    /// Verdict that the hop was counted with.
    pub(super) verdict: Verdict,
    /// Whether the destination record is that of the last attempt, which decides the hop.
    pub(super) is_last: bool,
}
