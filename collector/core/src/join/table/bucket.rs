//! Four records, in two cache lines.
//!
//! In: words of records. Out: the same. Always holds: keys and what a search compares stand in the first line, the rest in the
//! second; where the key is 0 nothing stands.

use super::super::packed_record::{Half, Words};
use crate::prefetch::prefetch;

/// Records in a bucket.
pub(super) const SLOTS: usize = 4;

/// See above.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(128))]
pub(super) struct Bucket {
    pub(super) keys: [u64; SLOTS],
    pub(super) first: [u64; SLOTS],
    second: [u64; SLOTS],
    third: [u64; SLOTS],
}

impl Bucket {
    /// One bit per slot that holds this key. Without branches: which slot it is cannot be foreseen.
    #[inline]
    pub(super) fn slots_of(&self, key: u64) -> u32 {
        self.keys.iter().rev().fold(0, |mask, found| mask << 1 | u32::from(*found == key))
    }

    /// Begins to fetch both lines.
    #[inline]
    pub(super) fn prefetch(&self) {
        self.prefetch_first();
        self.prefetch_second();
    }

    #[inline]
    pub(super) fn prefetch_first(&self) {
        prefetch(&self.keys);
    }

    #[inline]
    pub(super) fn prefetch_second(&self) {
        prefetch(&self.second);
    }

    #[inline]
    pub(super) fn words(&self, slot: usize) -> Option<Words> {
        let word = |words: &[u64; SLOTS]| words.get(slot).copied();
        Some([word(&self.keys)?, word(&self.first)?, word(&self.second)?, word(&self.third)?])
    }

    #[inline]
    pub(super) fn put(&mut self, slot: usize, words: Words) {
        let places = [&mut self.keys, &mut self.first, &mut self.second, &mut self.third];
        for (place, word) in places.into_iter().zip(words) {
            if let Some(place) = place.get_mut(slot) {
                *place = word;
            }
        }
    }

    /// The slot of the record that will be judged first, and how far off that is.
    pub(super) fn next_due(&self, now: u16) -> Option<(usize, i16)> {
        let taken = self.keys.iter().zip(&self.first).enumerate().filter(|(_, (key, _))| **key != 0);
        let left = |first: u64| Half::deadline_of(first).wrapping_sub(now).cast_signed();
        taken.map(|(slot, (_, first))| (slot, left(*first))).min_by_key(|(_, left)| *left)
    }
}
