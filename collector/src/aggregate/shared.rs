//! What many edges have in common, held once.
//!
//! In: named edges. Out: the same, whose ends and services are shared with equal ones. Always holds: what nobody else holds
//! goes when it is asked for.

use crate::identity::{End, NamedEdge, ServiceName};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

type Keys = foldhash::quality::RandomState;

/// Ends and services that are in use.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    keys: Keys,
    ends: HashTable<Arc<End>>,
    services: HashTable<Arc<ServiceName>>,
}

impl Shared {
    /// The edge with parts that are shared.
    pub(super) fn edge(&mut self, edge: NamedEdge) -> NamedEdge {
        let NamedEdge { source, destination, service, .. } = edge;
        NamedEdge {
            source: share(&mut self.ends, &self.keys, source),
            destination: share(&mut self.ends, &self.keys, destination),
            service: share(&mut self.services, &self.keys, service),
            ..edge
        }
    }

    /// Lets go of what nobody else holds.
    pub(super) fn forget_unused(&mut self) {
        self.ends.retain(|end| Arc::strong_count(end) > 1);
        self.services.retain(|service| Arc::strong_count(service) > 1);
    }
}

fn share<T: Hash + Eq>(known: &mut HashTable<Arc<T>>, keys: &Keys, value: Arc<T>) -> Arc<T> {
    let hash = keys.hash_one(&value);
    if let Some(known) = known.find(hash, |known| *known == value) {
        return known.clone();
    }
    known.insert_unique(hash, value.clone(), |known| keys.hash_one(known));
    value
}
