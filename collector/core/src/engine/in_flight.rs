//! Requests in flight of a batch.
//!
//! Invariant: their edges are resolved through the edge cache.

use super::Engine;
use super::edge_cache::Joins;
use crate::batch::{Batch, Identity};
use std::sync::Arc;

impl Engine {
    /// Replaces what the epoch of a batch has in flight.
    pub(super) fn apply_in_flight(&mut self, batch: &Batch, own: &Arc<Identity>, now_us: u64) {
        if batch.in_flight.is_empty() && self.in_flight.is_empty() {
            return;
        }
        let mut in_flight = std::mem::take(&mut self.in_flight);
        let resolve = |index: usize| {
            let edge = batch.edges.get(index)?;
            let known = self.cached_edge(batch, index, own, Joins::No).counted.edge();
            let resolved = known.and_then(|id| self.edges.get(id));
            Some(resolved.unwrap_or_else(|| self.address_book.resolve(own, &edge)))
        };
        in_flight.apply(batch, resolve, now_us);
        self.in_flight = in_flight;
    }
}
