//! A hash index: positions of values in a list, found by their hashes.
//!
//! Invariant: a position is found under the hash with which it was inserted. The index is not
//! generic over the values, so that its code is in the module once. The hash does not resist chosen
//! collisions; each list is short.

use crate::text::hash::hash64;
use std::hash::{Hash, Hasher};

/// The initial number of slots, a power of two.
const SLOTS: usize = 16;

/// An open-addressing table of hashes and positions.
#[derive(Debug, Default)]
pub(super) struct HashIndex {
    /// A power of two, at least twice the number of positions; empty before the first insert.
    slots: Vec<Option<Slot>>,
    filled: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u64,
    position: u32,
}

impl HashIndex {
    /// Returns the position with this hash for which `is_equal` holds.
    pub(super) fn find(&self, hash: u64, is_equal: &dyn Fn(u32) -> bool) -> Option<u32> {
        let mut slot = first(hash, self.slots.len());
        loop {
            let found = (*self.slots.get(slot)?)?;
            if found.hash == hash && is_equal(found.position) {
                return Some(found.position);
            }
            slot = next(slot, self.slots.len());
        }
    }

    /// Inserts a position that is absent.
    pub(super) fn insert(&mut self, hash: u64, position: u32) {
        if self.filled.saturating_mul(2) >= self.slots.len() {
            let slots = self.slots.len().saturating_mul(2).max(SLOTS);
            let before = std::mem::replace(&mut self.slots, vec![None; slots]);
            before.into_iter().flatten().for_each(|slot| self.put(slot));
        }
        self.put(Slot { hash, position });
        self.filled = self.filled.saturating_add(1);
    }

    /// Stores an entry; there is always a free slot.
    fn put(&mut self, entry: Slot) {
        let mut slot = first(entry.hash, self.slots.len());
        while self.slots.get(slot).is_some_and(Option::is_some) {
            slot = next(slot, self.slots.len());
        }
        if let Some(free) = self.slots.get_mut(slot) {
            *free = Some(entry);
        }
    }
}

/// Returns the hash of a value, over all its fields.
pub(super) fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = ChunkHasher(0);
    value.hash(&mut hasher);
    hasher.0
}

/// A hasher over the chunks that `Hash` writes.
struct ChunkHasher(u64);

impl Hasher for ChunkHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.rotate_left(7).wrapping_add(hash64(bytes));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn first(hash: u64, slots: usize) -> usize {
    usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & slots.saturating_sub(1)
}

fn next(slot: usize, slots: usize) -> usize {
    slot.saturating_add(1) & slots.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{HashIndex, hash};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Checks inserts and lookups with a hash function.
    fn check(hash_of: fn(u32) -> u64) {
        let values: Vec<u32> = (0..500).map(|i| i * 7).collect();
        let mut index = HashIndex::default();
        let find = |index: &HashIndex, value: u32| {
            index.find(hash_of(value), &|position| values.get(position as usize) == Some(&value))
        };
        for (position, value) in values.iter().enumerate() {
            assert_eq!(find(&index, *value), None);
            index.insert(hash_of(*value), position as u32);
        }
        for (position, value) in values.iter().enumerate() {
            assert_eq!(find(&index, *value), Some(position as u32));
            assert_eq!(find(&index, value + 1), None);
        }
    }

    #[test]
    fn each_value_has_its_position() {
        check(|_| 5);
        check(|value| u64::from(value % 10));
        check(|value| hash(&value));
        check(|value| hash(&("a", value)));
    }
}
