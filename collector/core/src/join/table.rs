//! The records that wait for their other side.
//!
//! In: halves by key. Out: all that wait under one key, and those whose time is over. Always holds: a full table costs
//! [`BYTES_PER_OPEN_MAX`] an open record; nothing is allocated per record; a search looks at no more than [`PROBES_MAX`] buckets,
//! and at none that holds nothing of the bucket that the key belongs to.
//!
//! A record whose bucket is full goes to another one near it, and the bucket notes to which, as in hopscotch hashing (Herlihy,
//! Shavit, Tzafrir, 2008). A table that is seven tenths full looks at 1.7 buckets for a newcomer; with a count of what each full
//! bucket had passed on to the next one (as in Facebook's F14) it would look at five or six.

mod bucket;

use super::packed_record::{Half, Words};
use crate::prefetch::prefetch;
use bucket::{Bucket, SLOTS};

/// How far from its own the buckets are that may hold a record: ever farther, so that full ones do not gather in rows.
const STEPS: [u8; PROBES_MAX] = [0, 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78, 91, 105, 120, 136];
/// So many buckets may hold a record: its own, and one for each bit of what that notes.
pub(super) const PROBES_MAX: usize = 1 + u16::BITS as usize;
/// Records to so many buckets when a table of its whole size is full: so few that hardly one in a million finds no room.
const FILL: (usize, usize) = (57, 20);
/// Buckets of an empty table; more than the [`STEPS`] are long.
const BUCKETS_MIN: usize = 256;
/// Memory per open record of a full table, rounded up.
pub const BYTES_PER_OPEN_MAX: usize = (FILL.1 * (size_of::<Bucket>() + size_of::<u16>())).div_ceil(FILL.0);

/// Where a record stands, until something is removed or the table grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    bucket: usize,
    slot: usize,
}

/// Who stands under a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Under {
    Nobody,
    One(Place, Words),
    Several,
}

/// The open records.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Vec<Bucket>,
    /// By bucket, which of the [`STEPS`] from it lead to others that hold a record of it.
    away: Vec<u16>,
    buckets_max: usize,
    len: usize,
    /// Where the next look for what is due begins.
    hand: usize,
}

impl Table {
    /// An empty table with room for `pending_max` records.
    pub(super) fn new(pending_max: usize) -> Self {
        let buckets_max = pending_max.saturating_mul(FILL.1).div_ceil(FILL.0).max(BUCKETS_MIN);
        let size = buckets_max.min(BUCKETS_MIN);
        let buckets = vec![Bucket::default(); size];
        Self { buckets, away: vec![0; size], buckets_max, len: 0, hand: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many buckets there are now.
    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>() + self.away.capacity() * size_of::<u16>()
    }

    /// Begins to fetch the bucket of a key, and what that notes.
    #[inline]
    pub(super) fn prefetch(&self, key: u64) {
        let home = self.home(key);
        self.away.get(home).into_iter().for_each(prefetch);
        self.buckets.get(home).into_iter().for_each(Bucket::prefetch_first);
    }

    /// The same for all else of what may hold a record under a key, once [`Table::prefetch`] has brought what tells so. `stays`:
    /// whether the record will want room.
    #[inline]
    pub(super) fn prefetch_further(&self, key: u64, stays: bool) {
        let home = self.home(key);
        let Some(bucket) = self.buckets.get(home) else { return };
        bucket.prefetch_second();
        let elsewhere = self.places(home).skip(1);
        elsewhere.filter_map(|index| self.buckets.get(index)).for_each(Bucket::prefetch);
        if stays && bucket.slots_of(0) == 0 {
            self.buckets.get(self.at(home, 1)).into_iter().for_each(Bucket::prefetch);
        }
    }

    /// Who stands under a key, as far as most newcomers want to know.
    #[inline]
    pub(super) fn under(&self, key: u64) -> Under {
        let mut found = Under::Nobody;
        for index in self.places(self.home(key)) {
            let Some(bucket) = self.buckets.get(index) else { continue };
            let slots = bucket.slots_of(key);
            if slots == 0 {
                continue;
            }
            let slot = slots.trailing_zeros() as usize;
            match (found, bucket.words(slot)) {
                (Under::Nobody, Some(words)) if slots.is_power_of_two() => {
                    found = Under::One(Place { bucket: index, slot }, words);
                }
                _ => return Under::Several,
            }
        }
        found
    }

    /// Calls `visit` for all records under a key. Packed, since most are only looked at in part.
    #[inline]
    pub(super) fn visit(&self, key: u64, mut visit: impl FnMut(Place, Words)) {
        for index in self.places(self.home(key)) {
            let Some(bucket) = self.buckets.get(index) else { continue };
            let mut slots = bucket.slots_of(key);
            while slots != 0 {
                let slot = slots.trailing_zeros() as usize;
                slots &= slots - 1;
                if let Some(words) = bucket.words(slot) {
                    visit(Place { bucket: index, slot }, words);
                }
            }
        }
    }

    /// Lets a record in. How many found no room near their place: itself, or, where the table grew, others.
    #[inline]
    pub(super) fn insert(&mut self, words: Words) -> usize {
        let lost = if self.len * FILL.1 < self.buckets.len() * FILL.0 { 0 } else { self.grow() };
        lost + usize::from(!self.put(words))
    }

    /// Takes a record out.
    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let bucket = self.buckets.get_mut(place.bucket);
        let slot = bucket.and_then(|bucket| bucket.keys.get_mut(place.slot));
        let Some(key) = slot.map(std::mem::take).filter(|key| *key != 0) else { return false };
        self.len -= 1;
        let home = self.home(key);
        if home != place.bucket {
            self.leave(home, place.bucket);
        }
        true
    }

    /// Notes that a bucket holds one record less of those that belong to another.
    fn leave(&mut self, home: usize, index: usize) {
        let keys = self.buckets.get(index).map_or([0; SLOTS], |bucket| bucket.keys);
        if keys.into_iter().any(|key| key != 0 && self.home(key) == home) {
            return;
        }
        let noted = (0..u16::BITS).find(|bit| self.at(home, bit + 1) == index);
        if let (Some(bit), Some(away)) = (noted, self.away.get_mut(home)) {
            *away &= !(1 << bit);
        }
    }

    /// Lets a record be judged at this time, when it would be judged later otherwise.
    pub(super) fn hasten(&mut self, place: Place, deadline: u16) {
        let bucket = self.buckets.get_mut(place.bucket);
        if let Some(first) = bucket.and_then(|bucket| bucket.first.get_mut(place.slot))
            && Half::is_due(deadline, Half::deadline_of(*first))
        {
            *first = Half::with_deadline(*first, deadline);
        }
    }

    /// The record near the place of a key that would be judged first; where none is near, which is so in a table with more buckets
    /// than it may hold records, of all.
    pub(super) fn next_due_near(&self, key: u64, now: u16) -> Option<Place> {
        let home = self.home(key);
        let near = (0..).take(PROBES_MAX).map(|step| self.at(home, step));
        let first_of = |index: usize| {
            let (slot, left) = self.buckets.get(index)?.next_due(now)?;
            Some((left, Place { bucket: index, slot }))
        };
        let mut found = near.filter_map(first_of);
        let all = || (0..self.buckets.len()).filter_map(first_of).min_by_key(|(left, _)| *left);
        found.next().or_else(all).map(|(_, place)| place)
    }

    /// EngineReader at the next `count` buckets for records that are due, and adds their keys to `due`.
    pub(super) fn sweep(&mut self, count: usize, now: u16, due: &mut Vec<u64>) {
        for _ in 0..count.min(self.buckets.len()) {
            let Some(bucket) = self.buckets.get(self.hand) else { return };
            for (key, first) in bucket.keys.iter().zip(&bucket.first) {
                if *key != 0 && Half::is_due(Half::deadline_of(*first), now) {
                    due.push(*key);
                }
            }
            self.hand = self.next(self.hand);
        }
    }

    /// The keys of all records.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.buckets.iter().flat_map(|bucket| bucket.keys).filter(|key| *key != 0)
    }

    #[inline]
    fn put(&mut self, words: Words) -> bool {
        let [key, ..] = words;
        let home = self.home(key);
        for step in (0..).take(PROBES_MAX) {
            let index = self.at(home, step);
            let Some(bucket) = self.buckets.get_mut(index) else { return false };
            let free = bucket.slots_of(0);
            if free != 0 {
                bucket.put(free.trailing_zeros() as usize, words);
                self.len += 1;
                if let (Some(bit), Some(away)) = (step.checked_sub(1), self.away.get_mut(home)) {
                    *away |= 1 << bit;
                }
                return true;
            }
        }
        false
    }

    /// Takes twice the room, if it may. How many records found none in it: of those that stood near their place none, unless
    /// somebody chose their keys.
    #[cold]
    fn grow(&mut self) -> usize {
        let size = (self.buckets.len() * 2).min(self.buckets_max);
        if size <= self.buckets.len() {
            return 0;
        }
        let old = std::mem::replace(&mut self.buckets, vec![Bucket::default(); size]);
        self.away = vec![0; size];
        (self.len, self.hand) = (0, 0);
        let records = old.iter().flat_map(|bucket| (0..SLOTS).filter_map(|slot| bucket.words(slot)));
        records.filter(|[key, ..]| *key != 0).filter(|words| !self.put(*words)).count()
    }

    /// The bucket of a key: its upper bits, scaled to the size.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product of a fraction and a size is below the size"
    )]
    fn home(&self, key: u64) -> usize {
        ((u128::from(key) * self.buckets.len() as u128) >> 64) as usize
    }

    /// Where the records of a bucket stand.
    #[inline]
    fn places(&self, home: usize) -> impl Iterator<Item = usize> + '_ {
        // The first step is to itself.
        let mut steps = u32::from(self.away.get(home).copied().unwrap_or(0)) << 1 | 1;
        std::iter::from_fn(move || {
            let step = (steps != 0).then(|| steps.trailing_zeros())?;
            steps &= steps - 1;
            Some(self.at(home, step))
        })
    }

    /// The bucket that one of the [`STEPS`] leads to.
    #[inline]
    fn at(&self, home: usize, step: u32) -> usize {
        let index = home + usize::from(STEPS.get(step as usize).copied().unwrap_or(0));
        if index < self.buckets.len() { index } else { index - self.buckets.len() }
    }

    fn next(&self, index: usize) -> usize {
        if index + 1 < self.buckets.len() { index + 1 } else { 0 }
    }
}

#[cfg(test)]
mod tests;
