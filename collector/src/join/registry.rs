//! Numbers for names.
//!
//! In: keys. Out: a small number for each, as long as it is kept. Always holds: at most `max` are kept; a number is given
//! again only after its entry was taken out.

use std::collections::HashMap;
use std::hash::Hash;

/// Entries by key and by number.
#[derive(Debug)]
pub(super) struct Registry<K, V> {
    numbers: HashMap<K, u32, foldhash::quality::RandomState>,
    entries: Vec<Option<V>>,
    free: Vec<u32>,
    max: usize,
}

impl<K: Hash + Eq + Clone, V> Registry<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Self { numbers: HashMap::default(), entries: Vec::new(), free: Vec::new(), max }
    }

    /// Another bound from now on; what is kept already stays.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// The number of a key; `None` when it is new and there is no room.
    pub(super) fn number(&mut self, key: &K, make: impl FnOnce() -> V) -> Option<u32> {
        if let Some(number) = self.numbers.get(key) {
            return Some(*number);
        }
        if self.numbers.len() >= self.max {
            return None;
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                let number = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(None);
                number
            }
        };
        *self.entries.get_mut(usize::try_from(number).ok()?)? = Some(make());
        self.numbers.insert(key.clone(), number);
        Some(number)
    }

    /// The number of a key that is there.
    pub(super) fn find(&self, key: &K) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    pub(super) fn get(&self, number: u32) -> Option<&V> {
        self.entries.get(usize::try_from(number).ok()?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut V> {
        self.entries.get_mut(usize::try_from(number).ok()?)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.numbers.iter().filter_map(|(key, number)| Some((key, self.get(*number)?)))
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Takes out what `stays` does not want to keep. Whether there was any.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&V) -> bool) -> bool {
        let before = self.numbers.len();
        let Self { numbers, entries, free, .. } = self;
        numbers.retain(|_, number| {
            let entry = usize::try_from(*number).ok().and_then(|place| entries.get_mut(place));
            let Some(entry) = entry else { return false };
            let kept = entry.as_ref().is_some_and(&mut stays);
            if !kept {
                *entry = None;
                free.push(*number);
            }
            kept
        });
        self.numbers.len() < before
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
        registry.retain(|value| *value != 1);
        assert_eq!((registry.get(0), registry.iter().count()), (None, 1));
        assert_eq!(number(&mut registry, "c", 3), Some(0));
        assert_eq!((registry.get(0), registry.get(1)), (Some(&3), Some(&2)));
    }
}
