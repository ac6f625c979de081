//! Numbers for names.
//!
//! In: keys. Out: a small number for each, as long as it is kept. Always holds: at most `max` are kept; a number is given
//! again only after its entry was taken out.

use hashbrown::HashTable;
use slab::Slab;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

/// Entries by key and by number.
#[derive(Debug, Clone)]
pub(crate) struct Registry<K, V> {
    numbers: HashTable<u32>,
    keys: foldhash::quality::RandomState,
    entries: Slab<(K, V)>,
    max: usize,
}

impl<K: Hash + Eq + Clone, V> Registry<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self { numbers: HashTable::new(), keys: Default::default(), entries: Slab::new(), max }
    }

    /// Entries that keep the numbers that they had before a restart.
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

    /// Another bound from now on; what is kept already stays.
    pub(crate) fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// The number of a key; `None` when it is new and there is no room.
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

    /// The number of a key that is there.
    pub(crate) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        let is_it =
            |number: &u32| self.entries.get(*number as usize).is_some_and(|(known, _)| known.borrow() == key);
        self.numbers.find(self.keys.hash_one(key), is_it).copied()
    }

    /// The key of a number.
    pub(crate) fn key(&self, number: u32) -> Option<&K> {
        self.entries.get(number as usize).map(|(key, _)| key)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, (_, value))| value)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&V> {
        self.entries.get(number as usize).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut V> {
        self.entries.get_mut(number as usize).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(_, (key, value))| (key, value))
    }

    /// Keys with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, &K)> {
        self.entries.iter().filter_map(|(number, (key, _))| Some((u32::try_from(number).ok()?, key)))
    }

    /// Those whose numbers are in a range.
    pub(crate) fn range(&self, numbers: std::ops::Range<usize>) -> impl Iterator<Item = (&K, &V)> {
        let end = numbers.end.min(self.entries.capacity());
        (numbers.start..end).filter_map(|number| self.entries.get(number)).map(|(key, value)| (key, value))
    }

    /// Above the highest number.
    pub(crate) fn end(&self) -> usize {
        self.entries.capacity()
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes out what `stays` does not want to keep. Whether there was any.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&V) -> bool) -> bool {
        let before = self.entries.len();
        self.entries.retain(|_, (_, value)| stays(value));
        let gone = self.entries.len() < before;
        if gone {
            let entries = &self.entries;
            self.numbers.retain(|number| entries.contains(*number as usize));
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::Registry;

    #[test]
    fn numbers_are_given_again_and_bounded() {
        let mut registry = Registry::new(2);
        let number = |registry: &mut Registry<&str, u64>, key, value| registry.number(&key, || value);
        assert_eq!(number(&mut registry, "a", 1), Some(0));
        assert_eq!(number(&mut registry, "b", 2), Some(1));
        assert_eq!(number(&mut registry, "a", 9), Some(0));
        assert_eq!(number(&mut registry, "c", 3), None);
        assert!(registry.retain(|value| *value != 1) && !registry.retain(|_| true));
        assert_eq!((registry.get(0), registry.iter().count(), registry.len()), (None, 1, 1));
        assert_eq!(number(&mut registry, "c", 3), Some(0));
        assert_eq!((registry.get(0), registry.get(1)), (Some(&3), Some(&2)));
        assert_eq!(registry.range(1..9).collect::<Vec<_>>(), [(&"b", &2)]);
    }
}
