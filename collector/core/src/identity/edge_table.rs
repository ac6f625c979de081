//! Table of resolved edges: issues one [`EdgeId`] per edge, shared by all stages.
//!
//! In: resolved edges. Out: their ids, and edges by id. Invariant: equal edges have equal ids; an
//! id stands for its edge until [`EdgeTable::retain`] removes it, and is issued again only
//! afterwards; each change of the assignment raises the generation.
//!
//! Ends and services are interned, so that an edge takes 16 bytes.

use super::{End, Evidence, ResolvedEdge, Security, ServiceName};
use crate::batch::{Reporter, Text};
use crate::interner::Interner;
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer, snapshot};
use hashbrown::HashTable;
use slab::Slab;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Id of a resolved edge in the [`EdgeTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub(crate) u32);

/// Not an id.
const NO_EDGE: u32 = u32::MAX;

/// Highest id that a snapshot may hold: more edges than any limit allows, so that a damaged
/// snapshot cannot ask for more memory.
pub(crate) const RESTORED_ID_MAX: u32 = 1 << 27;

/// Ids of the parts of an edge, in 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Parts {
    source: u32,
    destination: u32,
    service: u32,
    reporter: Reporter,
    security: Security,
    evidence: Evidence,
}

snapshot!(struct Parts { source, destination, service, reporter, security, evidence });

/// All resolved edges that some stage counts.
#[derive(Debug, Clone)]
pub struct EdgeTable {
    edges: Slab<Parts>,
    /// Ids by the parts of the edge.
    ids: HashTable<u32>,
    hasher: foldhash::quality::RandomState,
    /// Ends, and whether an edge uses them.
    ends: Interner<Arc<End>, bool>,
    /// Services, and whether an edge uses them.
    services: Interner<Arc<ServiceName>, bool>,
    edges_max: usize,
    generation: u64,
}

impl EdgeTable {
    /// An empty table for at most `edges_max` edges.
    #[must_use]
    pub fn new(edges_max: usize) -> Self {
        Self {
            edges: Slab::new(),
            ids: HashTable::new(),
            hasher: Default::default(),
            // An edge brings at most two ends and a service, and edges are bounded.
            ends: Interner::new(usize::MAX),
            services: Interner::new(usize::MAX),
            edges_max,
            generation: 0,
        }
    }

    /// Sets another bound. Edges that are in the table stay.
    pub fn limit(&mut self, edges_max: usize) {
        self.edges_max = edges_max;
        self.generation += 1;
    }

    /// Number of changes of the assignment of ids, or of the bound.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Id of an edge that is in the table.
    #[must_use]
    pub fn find(&self, edge: &ResolvedEdge) -> Option<EdgeId> {
        let parts = self.parts(edge)?;
        let is_it = |id: &u32| self.edges.get(*id as usize).is_some_and(|known| *known == parts);
        self.ids.find(self.hasher.hash_one(parts), is_it).copied().map(EdgeId)
    }

    /// Id of an edge, issued if it is new; `None` when the table is full.
    pub fn issue(&mut self, edge: &ResolvedEdge) -> Option<EdgeId> {
        if let Some(id) = self.find(edge) {
            return Some(id);
        }
        if self.edges.len() >= self.edges_max {
            return None;
        }
        let id = u32::try_from(self.edges.vacant_key()).ok().filter(|id| *id != NO_EDGE)?;
        self.ends.number(&edge.source, || true)?;
        self.ends.number(&edge.destination, || true)?;
        self.services.number(&edge.service, || true)?;
        let parts = self.parts(edge)?;
        self.edges.insert(parts);
        self.index(id, parts);
        Some(EdgeId(id))
    }

    /// The edge of an id.
    #[must_use]
    pub fn get(&self, EdgeId(id): EdgeId) -> Option<ResolvedEdge> {
        let parts = self.edges.get(id as usize)?;
        Some(ResolvedEdge {
            reporter: parts.reporter,
            source: self.ends.key(parts.source)?.clone(),
            destination: self.ends.key(parts.destination)?.clone(),
            service: self.services.key(parts.service)?.clone(),
            security: parts.security,
            evidence: parts.evidence,
        })
    }

    /// Whether an id stands for an edge.
    #[must_use]
    pub fn contains(&self, EdgeId(id): EdgeId) -> bool {
        self.edges.contains(id as usize)
    }

    /// Namespace of the proxy that reports an edge.
    #[must_use]
    pub fn namespace(&self, EdgeId(id): EdgeId) -> Option<&Text> {
        let parts = self.edges.get(id as usize)?;
        let end = if parts.reporter == Reporter::Destination { parts.destination } else { parts.source };
        self.ends.key(end).map(|end| &end.namespace)
    }

    /// Number of edges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// Whether the table has no edge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Whether no more ids can be issued.
    pub(crate) fn is_full(&self) -> bool {
        self.edges.len() >= self.edges_max
    }

    /// Removes every edge for which `in_use` is false, and the ends and services that only it used.
    pub fn retain(&mut self, in_use: impl Fn(EdgeId) -> bool) {
        let before = self.edges.len();
        self.edges.retain(|id, _| u32::try_from(id).is_ok_and(|id| in_use(EdgeId(id))));
        if self.edges.len() == before {
            return;
        }
        self.generation += 1;
        let Self { edges, ids, ends, services, .. } = self;
        ids.retain(|id| edges.contains(*id as usize));
        ends.values_mut().for_each(|used| *used = false);
        services.values_mut().for_each(|used| *used = false);
        for (_, Parts { source, destination, service, .. }) in &*edges {
            for end in [source, destination] {
                ends.get_mut(*end).into_iter().for_each(|used| *used = true);
            }
            services.get_mut(*service).into_iter().for_each(|used| *used = true);
        }
        ends.retain(|used| *used);
        services.retain(|used| *used);
    }

    fn parts(&self, edge: &ResolvedEdge) -> Option<Parts> {
        let ResolvedEdge { reporter, source, destination, service, security, evidence } = edge;
        Some(Parts {
            source: self.ends.find(source)?,
            destination: self.ends.find(destination)?,
            service: self.services.find(service)?,
            reporter: *reporter,
            security: *security,
            evidence: *evidence,
        })
    }

    fn index(&mut self, id: u32, parts: Parts) {
        let Self { edges, ids, hasher, .. } = self;
        ids.insert_unique(hasher.hash_one(parts), id, |id| {
            edges.get(*id as usize).map_or(0, |parts| hasher.hash_one(parts))
        });
    }
}

/// Ids are part of a snapshot: the sections of other stages name edges by them.
impl SnapshotState for EdgeTable {
    fn save(&self, to: &mut Writer) {
        let ends = self.ends.numbered().map(|(number, end)| (number, end.clone()));
        ends.collect::<Vec<_>>().save(to);
        let services = self.services.numbered().map(|(number, service)| (number, service.clone()));
        services.collect::<Vec<_>>().save(to);
        self.edges.len().save(to);
        for (id, parts) in &self.edges {
            id.save(to);
            parts.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        let used = |(number, key)| (number, key, true);
        let ends: Vec<(u32, Arc<End>)> = SnapshotValue::load(from)?;
        self.ends = Interner::restored(usize::MAX, ends.into_iter().map(used));
        let services: Vec<(u32, Arc<ServiceName>)> = SnapshotValue::load(from)?;
        let used = |(number, key)| (number, key, true);
        self.services = Interner::restored(usize::MAX, services.into_iter().map(used));
        let mut edges = Vec::new();
        for _ in 0..from.count()? {
            let id = u32::load(from)?;
            let parts = Parts::load(from)?;
            let ends = [parts.source, parts.destination].map(|end| self.ends.key(end).is_some());
            if ends != [true; 2] || self.services.key(parts.service).is_none() || id > RESTORED_ID_MAX {
                return Err(from.broken("an edge names an end or a service that is not there"));
            }
            edges.push((id as usize, parts));
        }
        self.ids.clear();
        self.edges = edges.iter().copied().collect();
        for (id, parts) in edges {
            self.index(u32::try_from(id).unwrap_or(NO_EDGE), parts);
        }
        self.generation += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{EdgeId, EdgeTable};
    use crate::batch::{Edge, Identity};
    use crate::identity::{AddressBook, ResolvedEdge, Settings};
    use crate::snapshot::bytes::collected;
    use crate::snapshot::codec::{Reader, SnapshotState, Writer};

    fn edge(workload: &str) -> ResolvedEdge {
        let own = Identity { workload: workload.into(), ..Identity::default() };
        AddressBook::new(Settings::default()).resolve(&own, &Edge::default())
    }

    /// Steps in (`a` issues an id, `-0` removes one), ids out.
    #[track_caller]
    fn check(steps: &str, expected: &str) {
        let mut table = EdgeTable::new(2);
        let mut ids = Vec::new();
        for step in steps.split(' ') {
            if let Some(id) = step.strip_prefix('-') {
                let gone = EdgeId(id.parse().unwrap());
                table.retain(|id| id != gone);
            } else {
                let id = table.issue(&edge(step));
                assert_eq!(id.and_then(|id| table.get(id)), id.map(|_| edge(step)));
                ids.push(id.map_or("full".to_owned(), |EdgeId(id)| id.to_string()));
            }
        }
        assert_eq!(ids.join(" "), expected);
    }

    #[test]
    fn an_edge_has_one_id_and_ids_are_bounded_and_reused() {
        check("a b a", "0 1 0");
        check("a b c", "0 1 full");
        check("a b -0 c b a", "0 1 0 1 full");
    }

    #[test]
    fn ids_survive_a_snapshot() {
        let mut table = EdgeTable::new(9);
        let _ = ["a", "b", "c"].map(|workload| table.issue(&edge(workload)));
        table.retain(|id| id != EdgeId(1));
        let bytes = collected(|sink| {
            let mut to = Writer::after(&[], sink);
            table.save(&mut to);
            to.end();
        });
        let mut restored = EdgeTable::new(9);
        restored.restore(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(
            ["a", "b", "c"].map(|it| restored.find(&edge(it))),
            [Some(EdgeId(0)), None, Some(EdgeId(2))]
        );
        assert_eq!(restored.issue(&edge("d")), Some(EdgeId(1)));
    }
}
