//! The interner of edges, which compares addresses first.

use super::intern::Interner;
use crate::record::Edge;
use std::rc::Rc;

/// Interned edges. Equal edges are most often one object in memory, because they come from the
/// cache.
#[derive(Debug, Default)]
pub(super) struct EdgeInterner {
    interner: Interner<Rc<Edge>>,
    /// Indexes by the address of the object, which does not move while the interner holds it.
    recent: Vec<Option<(*const Edge, u32)>>,
}

/// Slots for addresses, a power of two.
const SLOTS: usize = 256;

impl EdgeInterner {
    /// Returns the index of an edge that was added.
    pub(super) fn find(&self, edge: &Rc<Edge>) -> Option<u32> {
        let address = Rc::as_ptr(edge);
        match self.recent.get(slot(address)) {
            Some(Some((known, index))) if *known == address => Some(*index),
            _ => self.interner.find(edge),
        }
    }

    /// Returns the index of an edge, and adds a new edge.
    pub(super) fn index(&mut self, edge: &Rc<Edge>) -> u32 {
        if let Some(index) = self.find(edge) {
            return index;
        }
        let address = Rc::as_ptr(edge);
        let index = self.interner.index(edge);
        // The interner keeps the object alive, and with it the address.
        self.recent.resize(SLOTS, None);
        if let Some(slot) = self.recent.get_mut(slot(address)) {
            *slot = Some((address, index));
        }
        index
    }

    /// Returns the edge at an index.
    pub(super) fn get(&self, index: u32) -> Option<&Rc<Edge>> {
        self.interner.get(index)
    }

    /// Returns all edges in the order of their indexes.
    pub(super) fn values(&self) -> &[Rc<Edge>] {
        self.interner.values()
    }
}

/// Returns the slot of an address. The multiplication breaks the regular spacing of objects of one
/// size.
fn slot(address: *const Edge) -> usize {
    ((address.addr() >> 3).wrapping_mul(0x9e37_79b1) >> 24) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::EdgeInterner;
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
    fn equal_edges_have_one_index_as_one_object_or_as_many() {
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
