//! Bytes since the last report, by edge.
//!
//! In: bytes of TCP connections, or of the bodies of streams, that have not ended. Out: one
//! [`ByteDelta`] per edge.
//! Invariant: at most `EDGES_MAX` edges are buffered; a delta beyond that is rejected and stays
//! with the caller.

use crate::record::Edge;
use std::rc::Rc;

/// Buffered edges.
pub(super) const EDGES_MAX: usize = 256;

/// Connections or streams, and their bytes, of one edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteDelta {
    /// The edge.
    pub edge: Rc<Edge>,
    /// Connections or streams that were not reported before.
    pub opened: u64,
    /// Bytes from the clients.
    pub request_bytes: u64,
    /// Bytes to the clients.
    pub response_bytes: u64,
}

/// The buffered deltas.
#[derive(Debug, Default)]
pub struct ByteDeltas {
    rows: Vec<ByteDelta>,
}

impl ByteDeltas {
    /// Adds the bytes of one connection or stream. Returns the edge as the table holds it; `None`
    /// where the table is full.
    pub fn add(&mut self, edge: &Rc<Edge>, opened: u64, (request, response): (u64, u64)) -> Option<Rc<Edge>> {
        let known = self.rows.iter().position(|row| Rc::ptr_eq(&row.edge, edge) || row.edge == *edge);
        let index = known.unwrap_or(self.rows.len());
        if known.is_none() {
            if self.rows.len() >= EDGES_MAX {
                return None;
            }
            self.rows.push(ByteDelta {
                edge: Rc::clone(edge),
                opened: 0,
                request_bytes: 0,
                response_bytes: 0,
            });
        }
        let row = self.rows.get_mut(index)?;
        row.opened = row.opened.saturating_add(opened);
        row.request_bytes = row.request_bytes.saturating_add(request);
        row.response_bytes = row.response_bytes.saturating_add(response);
        Some(Rc::clone(&row.edge))
    }

    /// Removes and returns all deltas.
    pub fn drain(&mut self) -> Vec<ByteDelta> {
        std::mem::take(&mut self.rows)
    }
}
