//! Values that repeat, each once.
//!
//! In: values. Out: the index of each. Always holds: equal values have one index, and indexes count from 0 in the order
//! in which the values came. What came lately is found without hashing it, since a request's edge and outcome are most
//! often those of a request just before.

use crate::batch::hash_index::{HashIndex, hash};
use crate::record::Edge;
use std::borrow::Borrow;
use std::hash::Hash;
use std::rc::Rc;

/// Values that are compared one by one before any is hashed.
const COMPARED: usize = 8;

/// A table of values.
#[derive(Debug)]
pub struct Table<T> {
    index: HashIndex,
    values: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { index: HashIndex::default(), values: Vec::new() }
    }
}

impl<T: Eq + Hash> Table<T> {
    /// The index of a value that is there.
    pub fn find<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
    {
        match self.values.iter().take(COMPARED).position(|known| known.borrow() == value) {
            Some(place) => u32::try_from(place).ok(),
            None => {
                let is_it = |index| self.get(index).is_some_and(|known| known.borrow() == value);
                self.index.find(hash(value), &is_it)
            }
        }
    }

    /// The index of a value, of which a copy is added when it is new.
    pub fn index<Q: Eq + Hash + ToOwned<Owned = T> + ?Sized>(&mut self, value: &Q) -> u32
    where
        T: Borrow<Q>,
    {
        if let Some(index) = self.find(value) {
            return index;
        }
        // A batch holds far fewer values than there are indexes.
        let index = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.index.enter(hash(value), index);
        self.values.push(value.to_owned());
        index
    }

    /// The value under an index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.values.get(usize::try_from(index).ok()?)
    }

    /// All values in order.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// All values in order.
    #[must_use]
    pub fn into_values(self) -> Vec<T> {
        self.values
    }
}

/// A table of edges, most of which are one object in memory each, since they come out of one memory.
#[derive(Debug, Default)]
pub struct EdgeInterner {
    table: Table<Rc<Edge>>,
    /// By the object's address: it stays in place as long as the table holds it.
    lately: Vec<Option<(*const Edge, u32)>>,
}

/// Objects that are known by their address, a power of two.
const LATELY: usize = 256;

impl EdgeInterner {
    /// The index of an edge that is there.
    #[must_use]
    pub fn find(&self, edge: &Rc<Edge>) -> Option<u32> {
        let address = Rc::as_ptr(edge);
        match self.lately.get(place(address)) {
            Some(Some((known, index))) if *known == address => Some(*index),
            _ => self.table.find(edge),
        }
    }

    /// The index of an edge, that is added when it is new.
    pub fn index(&mut self, edge: &Rc<Edge>) -> u32 {
        if let Some(index) = self.find(edge) {
            return index;
        }
        let address = Rc::as_ptr(edge);
        let index = self.table.index(edge);
        // Only what the table holds stays alive, and with it its address.
        self.lately.resize(LATELY, None);
        if let Some(slot) = self.lately.get_mut(place(address)) {
            *slot = Some((address, index));
        }
        index
    }

    /// The edge under an index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Rc<Edge>> {
        self.table.get(index)
    }

    /// All edges in order.
    #[must_use]
    pub fn values(&self) -> &[Rc<Edge>] {
        self.table.values()
    }
}

/// Objects of one size lie in some pattern, which a factor of none destroys.
fn place(address: *const Edge) -> usize {
    ((address.addr() >> 3).wrapping_mul(0x9e37_79b1) >> 24) % LATELY
}

#[cfg(test)]
mod tests {
    use super::{EdgeInterner, Table};
    use crate::record::Edge;
    use std::rc::Rc;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn edge(port: u32) -> Rc<Edge> {
        let mut edge = Edge::default();
        edge.service.port = port;
        Rc::new(edge)
    }

    #[test]
    fn equal_values_have_one_index() {
        let mut table = Table::default();
        let indexes: Vec<u32> = (0..60).map(|i| table.index(&(i % 20))).collect();
        assert_eq!(indexes, (0..60).map(|i| i % 20).collect::<Vec<_>>());
        assert_eq!(table.into_values(), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn equal_edges_have_one_index_be_they_one_object_or_many() {
        let known: Vec<Rc<Edge>> = (0..200).map(edge).collect();
        let mut edges = EdgeInterner::default();
        for _ in 0..2 {
            for (i, known) in known.iter().enumerate() {
                assert_eq!(edges.index(known), i as u32);
                assert_eq!(edges.index(&edge(i as u32)), i as u32);
            }
        }
        assert_eq!(edges.values().len(), 200);
        assert_eq!(edges.get(7).map(|edge| edge.service.port), Some(7));
    }
}
