//! The interner: each distinct value once, with an index.
//!
//! Invariant: equal values have one index; indexes count from 0 in the order in which the values
//! were added. The first values are found without a hash, because most requests have the edge and
//! outcome of a recent one.

use super::hash_index::{HashIndex, hash};
use std::borrow::Borrow;
use std::hash::Hash;

/// The number of values that are compared before a value is hashed.
const COMPARED: usize = 8;

/// Interned values.
#[derive(Debug)]
pub(super) struct Interner<T> {
    index: HashIndex,
    values: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { index: HashIndex::default(), values: Vec::new() }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// Returns the index of a value that was added.
    pub(super) fn find<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
    {
        match self.values.iter().take(COMPARED).position(|known| known.borrow() == value) {
            Some(index) => u32::try_from(index).ok(),
            None => {
                let is_equal = |index| self.get(index).is_some_and(|known| known.borrow() == value);
                self.index.find(hash(value), &is_equal)
            }
        }
    }

    /// Returns the index of a value, and adds a copy of a new value.
    pub(super) fn index<Q: Eq + Hash + ToOwned<Owned = T> + ?Sized>(&mut self, value: &Q) -> u32
    where
        T: Borrow<Q>,
    {
        if let Some(index) = self.find(value) {
            return index;
        }
        // A batch has far fewer than 2^32 values.
        let index = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.index.insert(hash(value), index);
        self.values.push(value.to_owned());
        index
    }

    /// Returns the value at an index.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.values.get(usize::try_from(index).ok()?)
    }

    /// Returns all values in the order of their indexes.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    /// Converts the interner into its values.
    pub(super) fn into_values(self) -> Vec<T> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::Interner;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn equal_values_have_one_index() {
        let mut interner = Interner::default();
        let indexes: Vec<u32> = (0..60).map(|i| interner.index(&(i % 20))).collect();
        assert_eq!(indexes, (0..60).map(|i| i % 20).collect::<Vec<_>>());
        assert_eq!(interner.into_values(), (0..20).collect::<Vec<_>>());
    }
}
