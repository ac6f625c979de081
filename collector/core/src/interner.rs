//! Interner: maps keys to small numbers.
//!
//! Invariant: at most `max` entries are stored; a number is reused only after its entry was
//! removed.

use hashbrown::HashTable;
use slab::Slab;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

/// Bounded table of entries by key and by number.
#[derive(Debug, Clone)]
pub(crate) struct Interner<K, V> {
    numbers: HashTable<u32>,
    keys: foldhash::quality::RandomState,
    entries: Slab<(K, V)>,
    max: usize,
}

impl<K: Hash + Eq + Clone, V> Interner<K, V> {
    /// Creates an empty interner for at most `max` entries.
    pub(crate) fn new(max: usize) -> Self {
        Self { numbers: HashTable::new(), keys: Default::default(), entries: Slab::new(), max }
    }

    /// Creates an interner whose entries have the same numbers as before a restart.
    pub(crate) fn restored(max: usize, entries: impl Iterator<Item = (u32, K, V)>) -> Self {
        let entries = entries.map(|(number, key, value)| (number as usize, (key, value))).collect();
        let mut restored = Self { numbers: HashTable::new(), keys: Default::default(), entries, max };
        let Self { numbers, keys, entries, .. } = &mut restored;
        for (number, (key, _)) in &*entries {
            let Ok(number) = u32::try_from(number) else { continue };
            numbers.insert_unique(keys.hash_one(key), number, |number| {
                entries.get(*number as usize).map_or(0, |(key, _)| keys.hash_one(key))
            });
        }
        restored
    }

    /// Makes the numbers of further entries depend on the stored entries only, not on the order of
    /// earlier removals, so that they are the same after a restart.
    pub(crate) fn order_vacant(&mut self) {
        self.entries = std::mem::take(&mut self.entries).into_iter().collect();
    }

    /// Changes the limit. Stored entries stay.
    pub(crate) fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// Returns the number of a key. Inserts a new key with the value of `make`; returns `None` when
    /// the limit is reached.
    pub(crate) fn number(&mut self, key: &K, make: impl FnOnce() -> V) -> Option<u32> {
        if let Some(number) = self.find(key) {
            return Some(number);
        }
        if self.entries.len() >= self.max {
            return None;
        }
        let number = u32::try_from(self.entries.vacant_key()).ok()?;
        self.entries.insert((key.clone(), make()));
        let Self { numbers, keys, entries, .. } = self;
        numbers.insert_unique(keys.hash_one(key), number, |number| {
            entries.get(*number as usize).map_or(0, |(key, _)| keys.hash_one(key))
        });
        Some(number)
    }

    /// Returns the number of a stored key.
    pub(crate) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        let is_equal =
            |number: &u32| self.entries.get(*number as usize).is_some_and(|(known, _)| known.borrow() == key);
        self.numbers.find(self.keys.hash_one(key), is_equal).copied()
    }

    /// Returns the key of a number.
    pub(crate) fn key(&self, number: u32) -> Option<&K> {
        self.entries.get(number as usize).map(|(key, _)| key)
    }

    /// Returns all values.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, (_, value))| value)
    }

    /// Returns the value of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&V> {
        self.entries.get(number as usize).map(|(_, value)| value)
    }

    /// Returns the value of a number, to be changed.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut V> {
        self.entries.get_mut(number as usize).map(|(_, value)| value)
    }

    /// Returns all keys and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(_, (key, value))| (key, value))
    }

    /// Returns all keys with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, &K)> {
        self.entries.iter().filter_map(|(number, (key, _))| Some((u32::try_from(number).ok()?, key)))
    }

    /// Returns the entries whose numbers are in a range.
    pub(crate) fn range(&self, numbers: std::ops::Range<usize>) -> impl Iterator<Item = (&K, &V)> {
        let end = numbers.end.min(self.entries.capacity());
        (numbers.start..end).filter_map(|number| self.entries.get(number)).map(|(key, value)| (key, value))
    }

    /// Returns an exclusive upper bound of all numbers.
    pub(crate) fn end(&self) -> usize {
        self.entries.capacity()
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Removes the entries that `keep` rejects. Returns whether any was removed.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) -> bool {
        let before = self.entries.len();
        self.entries.retain(|_, (_, value)| keep(value));
        let is_smaller = self.entries.len() < before;
        if is_smaller {
            let entries = &self.entries;
            self.numbers.retain(|number| entries.contains(*number as usize));
        }
        is_smaller
    }
}

#[cfg(test)]
mod tests {
    use super::Interner;

    #[test]
    fn numbers_are_reused_and_bounded() {
        let mut interner = Interner::new(2);
        let number = |interner: &mut Interner<&str, u64>, key, value| interner.number(&key, || value);
        assert_eq!(number(&mut interner, "a", 1), Some(0));
        assert_eq!(number(&mut interner, "b", 2), Some(1));
        assert_eq!(number(&mut interner, "a", 9), Some(0));
        assert_eq!(number(&mut interner, "c", 3), None);
        assert!(interner.retain(|value| *value != 1) && !interner.retain(|_| true));
        assert_eq!((interner.get(0), interner.iter().count(), interner.len()), (None, 1, 1));
        assert_eq!(number(&mut interner, "c", 3), Some(0));
        assert_eq!((interner.get(0), interner.get(1)), (Some(&3), Some(&2)));
        assert_eq!(interner.range(1..9).collect::<Vec<_>>(), [(&"b", &2)]);
    }

    #[test]
    fn numbers_after_removals_are_those_of_a_restored_interner() {
        let mut interner = Interner::new(9);
        let add = |interner: &mut Interner<u64, u64>, key| interner.number(&key, || key).unwrap();
        (0..6).for_each(|key| _ = add(&mut interner, key));
        for gone in [4, 1, 2] {
            interner.retain(|value| *value != gone);
        }
        interner.order_vacant();
        let entries: Vec<_> = interner.numbered().map(|(number, key)| (number, *key, *key)).collect();
        let mut restored = Interner::restored(9, entries.into_iter());
        let next = |interner: &mut Interner<u64, u64>| [10, 11, 12, 13].map(|key| add(interner, key));
        assert_eq!((next(&mut interner), next(&mut restored)), ([4, 2, 1, 6], [4, 2, 1, 6]));
        assert_eq!(interner.find(&5), Some(5));
    }
}
