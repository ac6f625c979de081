//! Four packed records in two cache lines.
//!
//! Invariant: keys and the fields for the search are in the first cache line, the rest is in the
//! second. A slot with key 0 is free.

use super::super::packed_record::{PackedRecord, PendingRecord};
use crate::prefetch::prefetch;

/// Records per bucket.
pub(super) const SLOTS: usize = 4;

/// Slots stored by word, so that a search reads one cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(128))]
pub(super) struct Bucket {
    pub(super) keys: [u64; SLOTS],
    pub(super) first: [u64; SLOTS],
    second: [u64; SLOTS],
    third: [u64; SLOTS],
}

impl Bucket {
    /// Returns one bit per slot with this key. Branch-free, since the matching slot is
    /// unpredictable.
    #[inline]
    pub(super) fn slots_of(&self, key: u64) -> u32 {
        self.keys.iter().rev().fold(0, |mask, found| mask << 1 | u32::from(*found == key))
    }

    /// Prefetches both cache lines.
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
    pub(super) fn words(&self, slot: usize) -> Option<PackedRecord> {
        let word = |words: &[u64; SLOTS]| words.get(slot).copied();
        Some([word(&self.keys)?, word(&self.first)?, word(&self.second)?, word(&self.third)?])
    }

    #[inline]
    pub(super) fn put(&mut self, slot: usize, words: PackedRecord) {
        let arrays = [&mut self.keys, &mut self.first, &mut self.second, &mut self.third];
        for (slots, word) in arrays.into_iter().zip(words) {
            if let Some(free) = slots.get_mut(slot) {
                *free = word;
            }
        }
    }

    /// Returns the slot whose deadline comes first, and the ticks until then.
    pub(super) fn next_due(&self, now: u16) -> Option<(usize, i16)> {
        let occupied = self.keys.iter().zip(&self.first).enumerate().filter(|(_, (key, _))| **key != 0);
        let left = |first: u64| PendingRecord::deadline_of(first).wrapping_sub(now).cast_signed();
        occupied.map(|(slot, (_, first))| (slot, left(*first))).min_by_key(|(_, left)| *left)
    }
}
