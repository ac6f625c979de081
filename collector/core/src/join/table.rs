//! Hash table of the pending records, a multimap by key.
//!
//! In: packed records. Out: the records of a key, and the keys of due records.
//! Invariant: a full table takes [`BYTES_PER_PENDING_MAX`] bytes per record. No allocation per record.
//! A lookup reads at most [`PROBES_MAX`] buckets, and only buckets that hold a record of the key's
//! home bucket.
//!
//! A record whose home bucket is full goes to a nearby bucket, and the home bucket notes which one,
//! as in hopscotch hashing (Herlihy, Shavit, Tzafrir, 2008). At a fill of 70 % an insertion reads
//! 1.7 buckets; with overflow counters per bucket, as in Facebook's F14, it would read five or six.

mod bucket;
mod snapshot;

use super::packed_record::{PackedRecord, PendingRecord};
use crate::prefetch::prefetch;
use bucket::{Bucket, SLOTS};

/// Distances from the home bucket to the buckets that may hold its records. They grow, so that full
/// buckets do not form clusters.
const STEPS: [u8; PROBES_MAX] = [0, 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78, 91, 105, 120, 136];
/// Buckets that may hold a record: the home bucket, and one for each bit of its displacement map.
pub(super) const PROBES_MAX: usize = 1 + u16::BITS as usize;
/// Fill of a full table in records per bucket (57 per 20), chosen so that about one record in a
/// million finds no free slot.
const FILL: (usize, usize) = (57, 20);
/// Buckets of an empty table; more than the largest of the [`STEPS`].
const BUCKETS_MIN: usize = 256;
/// Memory per record of a full table in bytes, rounded up.
pub const BYTES_PER_PENDING_MAX: usize = (FILL.1 * (size_of::<Bucket>() + size_of::<u16>())).div_ceil(FILL.0);

/// Position of a record, valid until a removal or the growth of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    bucket: usize,
    slot: usize,
}

/// Records of a key, as far as the fast path needs them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lookup {
    Empty,
    One(Position, PackedRecord),
    Several,
}

/// The pending records.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Vec<Bucket>,
    /// Displacement map per bucket: which of the [`STEPS`] lead to buckets that hold one of its
    /// records.
    displaced: Vec<u16>,
    buckets_max: usize,
    len: usize,
    /// Bucket at which the next sweep begins.
    sweep_index: usize,
}

impl Table {
    /// Returns an empty table with capacity for `pending_max` records.
    pub(super) fn new(pending_max: usize) -> Self {
        let buckets_max = pending_max.saturating_mul(FILL.1).div_ceil(FILL.0).max(BUCKETS_MIN);
        let size = buckets_max.min(BUCKETS_MIN);
        let buckets = vec![Bucket::default(); size];
        Self { buckets, displaced: vec![0; size], buckets_max, len: 0, sweep_index: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Current number of buckets.
    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>() + self.displaced.capacity() * size_of::<u16>()
    }

    /// Prefetches the home bucket of a key and its displacement map.
    #[inline]
    pub(super) fn prefetch(&self, key: u64) {
        let home = self.home(key);
        self.displaced.get(home).into_iter().for_each(prefetch);
        self.buckets.get(home).into_iter().for_each(Bucket::prefetch_first);
    }

    /// Prefetches the other buckets that may hold records of a key; needs the data that
    /// [`Table::prefetch`] loaded. `is_inserted`: whether the record will need a free slot.
    #[inline]
    pub(super) fn prefetch_further(&self, key: u64, is_inserted: bool) {
        let home = self.home(key);
        let Some(bucket) = self.buckets.get(home) else { return };
        bucket.prefetch_second();
        let elsewhere = self.buckets_of(home).skip(1);
        elsewhere.filter_map(|index| self.buckets.get(index)).for_each(Bucket::prefetch);
        if is_inserted && bucket.slots_of(0) == 0 {
            self.buckets.get(self.bucket_at(home, 1)).into_iter().for_each(Bucket::prefetch);
        }
    }

    /// Looks up a key: no record, one record, or several.
    #[inline]
    pub(super) fn lookup(&self, key: u64) -> Lookup {
        let mut found = Lookup::Empty;
        for index in self.buckets_of(self.home(key)) {
            let Some(bucket) = self.buckets.get(index) else { continue };
            let slots = bucket.slots_of(key);
            if slots == 0 {
                continue;
            }
            let slot = slots.trailing_zeros() as usize;
            match (found, bucket.words(slot)) {
                (Lookup::Empty, Some(words)) if slots.is_power_of_two() => {
                    found = Lookup::One(Position { bucket: index, slot }, words);
                }
                _ => return Lookup::Several,
            }
        }
        found
    }

    /// Calls `visit` for each record of a key. Records stay packed, since most callers read a part
    /// only.
    #[inline]
    pub(super) fn visit(&self, key: u64, mut visit: impl FnMut(Position, PackedRecord)) {
        for index in self.buckets_of(self.home(key)) {
            let Some(bucket) = self.buckets.get(index) else { continue };
            let mut slots = bucket.slots_of(key);
            while slots != 0 {
                let slot = slots.trailing_zeros() as usize;
                slots &= slots - 1;
                if let Some(words) = bucket.words(slot) {
                    visit(Position { bucket: index, slot }, words);
                }
            }
        }
    }

    /// Inserts a record. Returns the number of records without a free slot: this one, or others
    /// that growth displaced.
    #[inline]
    pub(super) fn insert(&mut self, words: PackedRecord) -> usize {
        let lost = if self.len * FILL.1 < self.buckets.len() * FILL.0 { 0 } else { self.grow() };
        lost + usize::from(!self.put(words))
    }

    /// Removes a record. Returns whether there was one.
    #[inline]
    pub(super) fn remove(&mut self, position: Position) -> bool {
        let bucket = self.buckets.get_mut(position.bucket);
        let slot = bucket.and_then(|bucket| bucket.keys.get_mut(position.slot));
        let Some(key) = slot.map(std::mem::take).filter(|key| *key != 0) else { return false };
        self.len -= 1;
        let home = self.home(key);
        if home != position.bucket {
            self.clear_displaced(home, position.bucket);
        }
        true
    }

    /// Clears the bit of the displacement map if a bucket holds no more records of another home
    /// bucket.
    fn clear_displaced(&mut self, home: usize, index: usize) {
        let keys = self.buckets.get(index).map_or([0; SLOTS], |bucket| bucket.keys);
        if keys.into_iter().any(|key| key != 0 && self.home(key) == home) {
            return;
        }
        let noted = (0..u16::BITS).find(|bit| self.bucket_at(home, bit + 1) == index);
        if let (Some(bit), Some(displaced)) = (noted, self.displaced.get_mut(home)) {
            *displaced &= !(1 << bit);
        }
    }

    /// Advances the deadline of a record, unless it is earlier already or was advanced before.
    /// `window`: the match window in ticks.
    pub(super) fn advance_deadline(&mut self, position: Position, deadline: u16, window: u16) {
        if let Some(first) = self.first_mut(position) {
            *first = PendingRecord::with_advanced(*first, deadline, window);
        }
    }

    /// Restores the advanced deadline of a record.
    pub(super) fn restore_deadline(&mut self, position: Position, window: u16) {
        if let Some(first) = self.first_mut(position) {
            *first = PendingRecord::with_restored(*first, window);
        }
    }

    fn first_mut(&mut self, position: Position) -> Option<&mut u64> {
        self.buckets.get_mut(position.bucket)?.first.get_mut(position.slot)
    }

    /// Returns the record near the home bucket of a key whose deadline comes first. If the nearby
    /// buckets are empty, which happens in a table with more buckets than records, all buckets are
    /// searched.
    pub(super) fn next_due_near(&self, key: u64, now: u16) -> Option<Position> {
        let home = self.home(key);
        let near = (0..).take(PROBES_MAX).map(|step| self.bucket_at(home, step));
        let first_of = |index: usize| {
            let (slot, left) = self.buckets.get(index)?.next_due(now)?;
            Some((left, Position { bucket: index, slot }))
        };
        let mut found = near.filter_map(first_of);
        let all = || (0..self.buckets.len()).filter_map(first_of).min_by_key(|(left, _)| *left);
        found.next().or_else(all).map(|(_, position)| position)
    }

    /// Reads the next `count` buckets, and adds the keys of due records to `due`.
    pub(super) fn sweep(&mut self, count: usize, now: u16, due: &mut Vec<u64>) {
        for _ in 0..count.min(self.buckets.len()) {
            let Some(bucket) = self.buckets.get(self.sweep_index) else { return };
            for (key, first) in bucket.keys.iter().zip(&bucket.first) {
                if *key != 0 && PendingRecord::is_due(PendingRecord::deadline_of(*first), now) {
                    due.push(*key);
                }
            }
            self.sweep_index = self.next(self.sweep_index);
        }
    }

    /// Keys of all records.
    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.buckets.iter().flat_map(|bucket| bucket.keys).filter(|key| *key != 0)
    }

    #[inline]
    fn put(&mut self, words: PackedRecord) -> bool {
        let [key, ..] = words;
        let home = self.home(key);
        for step in (0..).take(PROBES_MAX) {
            let index = self.bucket_at(home, step);
            let Some(bucket) = self.buckets.get_mut(index) else { return false };
            let free = bucket.slots_of(0);
            if free != 0 {
                bucket.put(free.trailing_zeros() as usize, words);
                self.len += 1;
                if let (Some(bit), Some(displaced)) = (step.checked_sub(1), self.displaced.get_mut(home)) {
                    *displaced |= 1 << bit;
                }
                return true;
            }
        }
        false
    }

    /// Doubles the table up to its limit. Returns the number of records without a free slot in the
    /// new table; there are none unless a client chooses keys that collide.
    #[cold]
    fn grow(&mut self) -> usize {
        let size = (self.buckets.len() * 2).min(self.buckets_max);
        if size <= self.buckets.len() {
            return 0;
        }
        let old = std::mem::replace(&mut self.buckets, vec![Bucket::default(); size]);
        self.displaced = vec![0; size];
        (self.len, self.sweep_index) = (0, 0);
        let records = old.iter().flat_map(|bucket| (0..SLOTS).filter_map(|slot| bucket.words(slot)));
        records.filter(|[key, ..]| *key != 0).filter(|words| !self.put(*words)).count()
    }

    /// Home bucket of a key: its upper bits, scaled to the number of buckets.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product of a fraction and a size is below the size"
    )]
    fn home(&self, key: u64) -> usize {
        ((u128::from(key) * self.buckets.len() as u128) >> 64) as usize
    }

    /// Indexes of the buckets that hold records of a home bucket.
    #[inline]
    fn buckets_of(&self, home: usize) -> impl Iterator<Item = usize> + '_ {
        // Step 0 is the home bucket itself.
        let mut steps = u32::from(self.displaced.get(home).copied().unwrap_or(0)) << 1 | 1;
        std::iter::from_fn(move || {
            let step = (steps != 0).then(|| steps.trailing_zeros())?;
            steps &= steps - 1;
            Some(self.bucket_at(home, step))
        })
    }

    /// Index of the bucket at one of the [`STEPS`].
    #[inline]
    fn bucket_at(&self, home: usize, step: u32) -> usize {
        let index = home + usize::from(STEPS.get(step as usize).copied().unwrap_or(0));
        if index < self.buckets.len() { index } else { index - self.buckets.len() }
    }

    fn next(&self, index: usize) -> usize {
        if index + 1 < self.buckets.len() { index + 1 } else { 0 }
    }
}

#[cfg(test)]
mod tests;
