//! Where values stand in a list, found by their hashes.
//!
//! In: hashes and places. Out: the place of a value. Always holds: a place is found under the hash that it was entered
//! with, and a value that was never entered is not. It knows no values, so that its code is in the module once and not for
//! each type of them; nobody gains by choosing values that collide, since each list is short.

use crate::text::hash::hash64;
use std::hash::{Hash, Hasher};

/// Slots at first, a power of two.
const SLOTS: usize = 16;

/// The index.
#[derive(Debug, Default)]
pub struct HashIndex {
    /// Twice as many as places at least, a power of two; none before the first place.
    slots: Vec<Option<Slot>>,
    filled: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u64,
    place: u32,
}

impl HashIndex {
    /// The place under this hash that `is_it`.
    pub fn find(&self, hash: u64, is_it: &dyn Fn(u32) -> bool) -> Option<u32> {
        let mut slot = first(hash, self.slots.len());
        loop {
            let found = (*self.slots.get(slot)?)?;
            if found.hash == hash && is_it(found.place) {
                return Some(found.place);
            }
            slot = next(slot, self.slots.len());
        }
    }

    /// Enters a place that is not there.
    pub fn enter(&mut self, hash: u64, place: u32) {
        if self.filled.saturating_mul(2) >= self.slots.len() {
            let slots = self.slots.len().saturating_mul(2).max(SLOTS);
            let entered = std::mem::replace(&mut self.slots, vec![None; slots]);
            entered.into_iter().flatten().for_each(|slot| self.put(slot));
        }
        self.put(Slot { hash, place });
        self.filled = self.filled.saturating_add(1);
    }

    /// There is always a free slot.
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

/// A hash of a value, of all its fields.
pub fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut spreading = Spreading(0);
    value.hash(&mut spreading);
    spreading.0
}

/// The hash so far.
struct Spreading(u64);

impl Hasher for Spreading {
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

    /// Values whose hashes collide all, now and then, or hardly ever.
    fn check(hash_of: fn(u32) -> u64) {
        let values: Vec<u32> = (0..500).map(|i| i * 7).collect();
        let mut index = HashIndex::default();
        let find = |index: &HashIndex, value: u32| {
            index.find(hash_of(value), &|place| values.get(place as usize) == Some(&value))
        };
        for (place, value) in values.iter().enumerate() {
            assert_eq!(find(&index, *value), None);
            index.enter(hash_of(*value), place as u32);
        }
        for (place, value) in values.iter().enumerate() {
            assert_eq!(find(&index, *value), Some(place as u32));
            assert_eq!(find(&index, value + 1), None);
        }
    }

    #[test]
    fn each_value_has_its_place() {
        check(|_| 5);
        check(|value| u64::from(value % 10));
        check(|value| hash(&value));
        check(|value| hash(&("a", value)));
    }
}
