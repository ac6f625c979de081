//! Hash table whose entries have numbered slots, so that a reader can walk them in parts.
//!
//! Invariant: an entry keeps its slot until it is removed; a free slot may be given to a new entry.
//! A walk by slot therefore returns every entry that is present during the whole walk exactly once.

use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};
use hashbrown::HashTable;
use slab::Slab;
use std::hash::{BuildHasher, Hash};

/// Values by key and by slot.
#[derive(Debug, Clone)]
pub(super) struct Slots<K, V> {
    slots: HashTable<usize>,
    hasher: foldhash::quality::RandomState,
    entries: Slab<(K, V)>,
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Self { slots: HashTable::new(), hasher: Default::default(), entries: Slab::new() }
    }
}

impl<K: Hash + Eq, V> Slots<K, V> {
    /// Returns the slot of a key.
    pub(super) fn find(&self, key: &K) -> Option<usize> {
        let is_equal = |slot: &usize| self.entries.get(*slot).is_some_and(|(known, _)| known == key);
        self.slots.find(self.hasher.hash_one(key), is_equal).copied()
    }

    /// Returns the slot of a key; a new key gets a value from `make`.
    pub(super) fn insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> usize {
        if let Some(slot) = self.find(&key) {
            return slot;
        }
        let hash = self.hasher.hash_one(&key);
        let slot = self.entries.insert((key, make()));
        let Self { slots, hasher, entries } = self;
        slots.insert_unique(hash, slot, |slot| entries.get(*slot).map_or(0, |(key, _)| hasher.hash_one(key)));
        slot
    }

    /// Returns the entry in a slot.
    pub(super) fn get(&self, slot: usize) -> Option<(&K, &V)> {
        self.entries.get(slot).map(|(key, value)| (key, value))
    }

    /// Returns the value in a slot.
    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut V> {
        self.entries.get_mut(slot).map(|(_, value)| value)
    }

    /// Removes the entries for which `stays` is false.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(usize, &K, &mut V) -> bool) {
        self.entries.retain(|slot, (key, value)| stays(slot, key, value));
        let entries = &self.entries;
        self.slots.retain(|slot| entries.contains(*slot));
    }

    /// Returns all entries, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(_, (key, value))| (key, value))
    }

    /// Returns the slots of all entries, in rising order.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|(slot, _)| slot)
    }

    /// Returns the number above all slots.
    pub(super) fn end(&self) -> usize {
        self.entries.capacity()
    }

    /// Counts the entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The format of a `HashMap`: the number of entries, then each key with its value.
impl<K: SnapshotValue + Hash + Eq, V: SnapshotValue> SnapshotValue for Slots<K, V> {
    fn save(&self, to: &mut Writer) {
        self.len().save(to);
        for (key, value) in self.iter() {
            key.save(to);
            value.save(to);
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut slots = Self::default();
        for _ in 0..from.count()? {
            let (key, value) = (K::load(from)?, V::load(from)?);
            slots.insert_with(key, || value);
        }
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn an_entry_keeps_its_slot_while_others_come_and_go() {
        let mut slots = Slots::default();
        for key in ["a", "b", "c"] {
            slots.insert_with(key, || 1);
        }
        let slot = slots.find(&"c");
        slots.retain(|_, key, _| *key != "a");
        assert_eq!((slots.find(&"a"), slots.find(&"c"), slots.len()), (None, slot, 2));
        *slots.get_mut(slot.unwrap()).unwrap() += 1;
        assert_eq!(slots.insert_with("c", || 7), slot.unwrap());
        assert_eq!(slots.get(slot.unwrap()), Some((&"c", &2)));
        // A new entry takes the free slot.
        assert_eq!(slots.insert_with("d", || 3), 0);
        assert_eq!(slots.iter().collect::<Vec<_>>(), [(&"d", &3), (&"b", &1), (&"c", &2)]);
        assert!(slots.end() >= 3);
    }
}
