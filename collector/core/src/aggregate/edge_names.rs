//! The names of edges: what they have in common is held once, and an edge is some numbers.
//!
//! In: named edges. Out: a [`Name`] for each, and back. Always holds: equal edges have equal names; a name stands for its edge
//! until it is left out of what [`Names::keep`] is told.

use crate::batch::{Reporter, Text};
use crate::identity::{End, Evidence, ResolvedEdge, Security, ServiceName};
use crate::interner::Registry;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer, snapshot};
use std::collections::HashMap;
use std::sync::Arc;

/// A named edge in 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name {
    source: u32,
    destination: u32,
    service: u32,
    pub(super) reporter: Reporter,
    security: Security,
    evidence: Evidence,
}

snapshot!(struct Name { source, destination, service, reporter, security, evidence });

/// Ends and services, and whether any edge has them.
#[derive(Debug, Clone)]
pub(super) struct Names {
    ends: Registry<Arc<End>, bool>,
    services: Registry<Arc<ServiceName>, bool>,
}

impl Default for Names {
    fn default() -> Self {
        // An edge brings two ends and a service at most, and edges are bounded.
        Self { ends: Registry::new(usize::MAX), services: Registry::new(usize::MAX) }
    }
}

impl Names {
    /// The name of an edge all of whose parts are known.
    pub(super) fn find(&self, edge: &ResolvedEdge) -> Option<Name> {
        let ResolvedEdge { reporter, source, destination, service, security, evidence } = edge;
        Some(Name {
            source: self.ends.find(source)?,
            destination: self.ends.find(destination)?,
            service: self.services.find(service)?,
            reporter: *reporter,
            security: *security,
            evidence: *evidence,
        })
    }

    /// The name of an edge; `None` when there are no more numbers.
    pub(super) fn put(&mut self, edge: &ResolvedEdge) -> Option<Name> {
        self.ends.number(&edge.source, || true)?;
        self.ends.number(&edge.destination, || true)?;
        self.services.number(&edge.service, || true)?;
        self.find(edge)
    }

    /// The edge.
    pub(super) fn get(&self, name: Name) -> Option<ResolvedEdge> {
        Some(ResolvedEdge {
            reporter: name.reporter,
            source: self.ends.key(name.source)?.clone(),
            destination: self.ends.key(name.destination)?.clone(),
            service: self.services.key(name.service)?.clone(),
            security: name.security,
            evidence: name.evidence,
        })
    }

    /// The namespace of the proxy that tells of an edge.
    pub(super) fn tenant(&self, name: Name) -> Option<&Text> {
        let end = if name.reporter == Reporter::Destination { name.destination } else { name.source };
        self.ends.key(end).map(|end| &end.namespace)
    }

    /// Writes all ends and services with their numbers, to be read by [`Kept::load`].
    pub(super) fn save(&self, to: &mut Writer) {
        let numbered = self.ends.numbered().map(|(number, end)| (number, end.clone()));
        numbered.collect::<Vec<_>>().save(to);
        let numbered = self.services.numbered().map(|(number, service)| (number, service.clone()));
        numbered.collect::<Vec<_>>().save(to);
    }

    /// Lets go of what no edge has any more.
    pub(super) fn keep(&mut self, names: impl Iterator<Item = Name>) {
        self.ends.values_mut().for_each(|used| *used = false);
        self.services.values_mut().for_each(|used| *used = false);
        for Name { source, destination, service, .. } in names {
            let ends = [source, destination].map(|end| self.ends.get_mut(end).map(|used| *used = true));
            let service = self.services.get_mut(service).map(|used| *used = true);
            debug_assert!(ends.into_iter().chain([service]).all(|there| there.is_some()));
        }
        self.ends.retain(|used| *used);
        self.services.retain(|used| *used);
    }
}

/// The ends and services of a checkpoint, by the numbers that they had.
pub(super) struct Kept {
    ends: HashMap<u32, Arc<End>>,
    services: HashMap<u32, Arc<ServiceName>>,
}

impl Kept {
    /// Reads what [`Names::save`] wrote.
    pub(super) fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Self { ends: SnapshotValue::load(from)?, services: SnapshotValue::load(from)? })
    }

    /// Reads a [`Name`]; the edge that it stood for.
    pub(super) fn edge(&self, from: &mut Reader<'_>) -> Result<ResolvedEdge, Unreadable> {
        let name = Name::load(from)?;
        let end = |number: u32| self.ends.get(&number).cloned();
        let service = self.services.get(&name.service).cloned();
        match (end(name.source), end(name.destination), service) {
            (Some(source), Some(destination), Some(service)) => Ok(ResolvedEdge {
                reporter: name.reporter,
                source,
                destination,
                service,
                security: name.security,
                evidence: name.evidence,
            }),
            _ => Err(from.broken("an edge has a name that is not there")),
        }
    }
}
