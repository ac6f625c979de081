//! TCP connections and streams of a batch.
//!
//! In: groups of a batch by edge and outcome. Out: series of connections or streams. Invariant: the
//! edge of a group is resolved through the edge cache; what cannot be resolved yet is pending.

use super::Engine;
use super::edge_cache::{Counted, Joins};
use super::pending::ConnectionKind;
use crate::aggregate::connections::Group;
use crate::batch::{Batch, Identity};
use crate::identity::ReportedEdge;
use std::sync::Arc;

impl Engine {
    /// Counts groups of connections or streams.
    pub(super) fn apply_connections(
        &mut self,
        batch: &Batch,
        kind: ConnectionKind,
        groups: Vec<Group>,
        own: &Arc<Identity>,
        now_us: u64,
    ) {
        for (index, outcome, counts) in groups {
            let Some(edge) = batch.edges.get(index) else { continue };
            let known = self.cached_edge(batch, index, own, Joins::No);
            if let Some(id) = known.counted.edge() {
                let series = match kind {
                    ConnectionKind::Tcp => &mut self.connections,
                    ConnectionKind::Stream => &mut self.streams,
                };
                let namespace = self.edges.namespace(id).unwrap_or(&own.namespace);
                series.add(&self.edges, Some(id), (edge.reporter, namespace), (outcome, &counts), now_us);
                continue;
            }
            let resolved = self.address_book.resolve(own, &edge);
            let is_pending = known.counted == Counted::PENDING
                || (known.counted == Counted::BY_JOIN && self.address_book.may_improve(&edge, &resolved));
            if is_pending {
                let reported = ReportedEdge { own: own.clone(), edge, outcome };
                self.pend_connections(&reported, (kind, &counts), now_us);
            } else {
                self.count_connections(&resolved, kind, (outcome, &counts), now_us);
            }
        }
    }
}

#[cfg(test)]
mod tests;
