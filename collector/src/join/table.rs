//! The records that wait for their other side.
//!
//! In: halves by key. Out: all that wait under one key, and those whose time is over. Always holds: a record takes 32
//! bytes and a quarter, and the table is at most three quarters full when it has its whole size, so an open record costs
//! at most [`BYTES_PER_OPEN_MAX`]; nothing is allocated per record; a search looks at no more than [`PROBES_MAX`] buckets.
//!
//! A bucket is two cache lines: keys and what a search compares in the first, the rest in the second. A bucket that is
//! full passes on to the next one and counts how many it passed on, so that a search ends where nothing was passed on
//! and a removal leaves no trace (as in Facebook's F14).

use super::half::{Half, Words};
use crate::prefetch::prefetch;

/// Records in a bucket.
const SLOTS: usize = 4;
/// So many buckets from its own on may hold a record.
pub(super) const PROBES_MAX: usize = 48;
/// Records to a bucket when the table is as full as it gets.
const FILL: usize = 3;
/// Buckets of an empty table.
const BUCKETS_MIN: usize = 256;
/// Memory per open record of a full table, rounded up.
pub const BYTES_PER_OPEN_MAX: usize = size_of::<Bucket>().div_ceil(FILL) + 1;

#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(128))]
struct Bucket {
    /// 0 where nothing stands.
    keys: [u64; SLOTS],
    first: [u64; SLOTS],
    second: [u64; SLOTS],
    third: [u64; SLOTS],
}

impl Bucket {
    /// One bit per slot that holds this key. Without branches: which slot it is cannot be foreseen.
    fn slots_of(&self, key: u64) -> u32 {
        self.keys.iter().rev().fold(0, |mask, found| mask << 1 | u32::from(*found == key))
    }

    /// Begins to fetch both of its lines.
    #[inline]
    fn prefetch(&self) {
        prefetch(&self.keys);
        prefetch(&self.second);
    }

    fn words(&self, slot: usize) -> Option<Words> {
        let word = |words: &[u64; SLOTS]| words.get(slot).copied();
        Some([word(&self.keys)?, word(&self.first)?, word(&self.second)?, word(&self.third)?])
    }

    fn put(&mut self, slot: usize, words: Words) {
        let places = [&mut self.keys, &mut self.first, &mut self.second, &mut self.third];
        for (place, word) in places.into_iter().zip(words) {
            if let Some(place) = place.get_mut(slot) {
                *place = word;
            }
        }
    }
}

/// Where a record stands, until something is removed or the table grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    bucket: usize,
    slot: usize,
}

/// The open records.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Vec<Bucket>,
    /// How many records each bucket passed on that still stand further on; below `PROBES_MAX * SLOTS`.
    passed: Vec<u8>,
    buckets_max: usize,
    len: usize,
    /// Where the next look for what is due begins.
    hand: usize,
}

impl Table {
    /// An empty table with room for `open_max` records.
    pub(super) fn new(open_max: usize) -> Self {
        let buckets_max = open_max.div_ceil(FILL).max(1);
        let size = buckets_max.min(BUCKETS_MIN);
        let buckets = vec![Bucket::default(); size];
        Self { buckets, passed: vec![0; size], buckets_max, len: 0, hand: 0 }
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
        self.buckets.capacity() * size_of::<Bucket>() + self.passed.capacity()
    }

    /// Begins to fetch the bucket of a key, and how much it passed on.
    #[inline]
    pub(super) fn prefetch(&self, key: u64) {
        let home = self.home(key);
        self.passed.get(home).into_iter().for_each(prefetch);
        self.buckets.get(home).into_iter().for_each(Bucket::prefetch);
    }

    /// The same for the buckets to which that one passes on, once [`Table::prefetch`] has brought what tells so.
    #[inline]
    pub(super) fn prefetch_further(&self, key: u64) {
        let mut index = self.home(key);
        for _ in 1..PROBES_MAX {
            if self.passed.get(index).is_none_or(|passed| *passed == 0) {
                return;
            }
            index = self.next(index);
            self.buckets.get(index).into_iter().for_each(Bucket::prefetch);
        }
    }

    /// Calls `visit` for all records under a key. Packed, since most are only looked at in part.
    #[inline]
    pub(super) fn visit(&self, key: u64, mut visit: impl FnMut(Place, Words)) {
        let mut index = self.home(key);
        for _ in 0..PROBES_MAX {
            let Some(bucket) = self.buckets.get(index) else { return };
            let mut slots = bucket.slots_of(key);
            while slots != 0 {
                let slot = slots.trailing_zeros() as usize;
                slots &= slots - 1;
                if let Some(words) = bucket.words(slot) {
                    visit(Place { bucket: index, slot }, words);
                }
            }
            if self.passed.get(index).is_none_or(|passed| *passed == 0) {
                return;
            }
            index = self.next(index);
        }
    }

    /// Lets a record in; `false` when there is no room near its place.
    pub(super) fn insert(&mut self, words: Words) -> bool {
        if self.len >= self.buckets.len() * FILL {
            self.grow();
        }
        self.put(words)
    }

    /// Takes a record out.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let bucket = self.buckets.get_mut(place.bucket);
        let slot = bucket.and_then(|bucket| bucket.keys.get_mut(place.slot));
        let Some(key) = slot.map(std::mem::take).filter(|key| *key != 0) else { return false };
        self.len -= 1;
        let mut index = self.home(key);
        while index != place.bucket {
            if let Some(passed) = self.passed.get_mut(index) {
                *passed = passed.saturating_sub(1);
            }
            index = self.next(index);
        }
        true
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

    /// The record near the place of a key that would be judged first.
    pub(super) fn next_due_near(&self, key: u64, now: u16) -> Option<Place> {
        let mut index = self.home(key);
        for _ in 0..PROBES_MAX {
            let bucket = self.buckets.get(index)?;
            let taken = bucket.keys.iter().zip(&bucket.first).enumerate().filter(|(_, (key, _))| **key != 0);
            let left = |first: u64| Half::deadline_of(first).wrapping_sub(now).cast_signed();
            if let Some((slot, _)) = taken.min_by_key(|(_, (_, first))| left(**first)) {
                return Some(Place { bucket: index, slot });
            }
            index = self.next(index);
        }
        None
    }

    /// Looks at the next `count` buckets for records that are due, and adds their keys to `due`.
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

    fn put(&mut self, words: Words) -> bool {
        let [key, ..] = words;
        let home = self.home(key);
        let mut index = home;
        for _ in 0..PROBES_MAX.min(self.buckets.len()) {
            let Some(bucket) = self.buckets.get_mut(index) else { return false };
            let free = bucket.slots_of(0);
            if free != 0 {
                bucket.put(free.trailing_zeros() as usize, words);
                self.len += 1;
                self.pass_on(home, index);
                return true;
            }
            index = self.next(index);
        }
        false
    }

    fn pass_on(&mut self, home: usize, index: usize) {
        let mut passing = home;
        while passing != index {
            if let Some(passed) = self.passed.get_mut(passing) {
                *passed = passed.saturating_add(1);
            }
            passing = self.next(passing);
        }
    }

    fn grow(&mut self) {
        let size = (self.buckets.len() * 2).min(self.buckets_max);
        if size <= self.buckets.len() {
            return;
        }
        let old = std::mem::replace(&mut self.buckets, vec![Bucket::default(); size]);
        self.passed = vec![0; size];
        (self.len, self.hand) = (0, 0);
        for bucket in &old {
            for slot in 0..SLOTS {
                if let Some(words) = bucket.words(slot).filter(|[key, ..]| *key != 0) {
                    // Twice the room, so what stood near its place does so again.
                    self.put(words);
                }
            }
        }
    }

    /// The bucket of a key: its upper bits, scaled to the size.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product of a fraction and a size is below the size"
    )]
    fn home(&self, key: u64) -> usize {
        ((u128::from(key) * self.buckets.len() as u128) >> 64) as usize
    }

    fn next(&self, index: usize) -> usize {
        if index + 1 < self.buckets.len() { index + 1 } else { 0 }
    }
}

#[cfg(test)]
mod tests;
