//! What has moved since it was told, by edge.
//!
//! In: bytes of TCP connections, or of the bodies of streams, that have not ended. Out: one [`ByteDelta`] per edge. Always holds: at
//! most `EDGES_MAX` edges wait to be told; what finds no room is not taken, and stays with whoever brought it.

use crate::record::Edge;
use std::rc::Rc;

/// EdgeInterner that wait to be told.
pub(crate) const EDGES_MAX: usize = 256;

/// What is new of one edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteDelta {
    /// Between whom.
    pub edge: Rc<Edge>,
    /// ConnectionTable, or streams, that were not told before.
    pub opened: u64,
    /// From the clients.
    pub request_bytes: u64,
    /// To the clients.
    pub response_bytes: u64,
}

/// All that is new.
#[derive(Debug, Default)]
pub struct ByteDeltas {
    rows: Vec<ByteDelta>,
}

impl ByteDeltas {
    /// Adds what is new of one connection or stream. Returns its edge as it is kept; `None` where there was no room.
    pub fn add(&mut self, edge: &Rc<Edge>, opened: u64, (request, response): (u64, u64)) -> Option<Rc<Edge>> {
        let known = self.rows.iter().position(|row| Rc::ptr_eq(&row.edge, edge) || row.edge == *edge);
        let place = known.unwrap_or(self.rows.len());
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
        let row = self.rows.get_mut(place)?;
        row.opened = row.opened.saturating_add(opened);
        row.request_bytes = row.request_bytes.saturating_add(request);
        row.response_bytes = row.response_bytes.saturating_add(response);
        Some(Rc::clone(&row.edge))
    }

    /// Takes out what waits to be told.
    pub fn take(&mut self) -> Vec<ByteDelta> {
        std::mem::take(&mut self.rows)
    }
}
