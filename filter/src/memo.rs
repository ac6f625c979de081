//! Edges that are known already.
//!
//! In: the facts that name an edge. Out: the edge, asked for again only when it is new or old. Always holds: at most
//! `SLOTS` edges; a new one takes the slot of another whose name happens to lie there; none is older than
//! `AGE_MAX_US`.
//!
//! What is safe to remember: at a source what Envoy knows of an upstream host that was reached, under the names of
//! cluster and address; at a destination what it knows of a connection and a cluster. An address changes hands within
//! one cluster only when a pod goes and another gets its address, hence the age. Nothing is remembered of a host that was
//! not reached, since its certificate was not seen.

use crate::facts::Facts;
use crate::record::{Edge, spread};
use std::rc::Rc;

/// Edges in the table, a power of two.
const SLOTS: u64 = 1_024;

/// Edges are asked for anew after ten seconds.
const AGE_MAX_US: u64 = 10_000_000;

/// What is known under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The edge.
    Edge(Rc<Edge>),
    /// That the service is named by what the request says, so that the name is not enough.
    ByAuthority,
}

/// The table, and the name that is looked for.
#[derive(Debug, Default)]
pub struct Memo {
    slots: Vec<Slot>,
    name: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    name: Vec<u8>,
    asked_us: u64,
    known: Option<Known>,
}

impl Memo {
    /// Looks for the edge that the facts name.
    pub fn look_up(&mut self, facts: &Facts, now_us: u64) -> Option<Known> {
        let connection = facts.connection.to_le_bytes();
        // Behind a forwarded-for header every request brings another address, all without meaning.
        let address = if facts.address.ends_with(b":0") { b"" } else { facts.address };
        let side: &[u8] = if facts.is_destination { &connection } else { &[] };
        self.name.clear();
        for part in [facts.cluster, b"\n", address, b"\n", side] {
            self.name.extend_from_slice(part);
        }
        self.find(now_us)
    }

    /// Looks on, with something more in the name.
    pub fn look_up_with(&mut self, more: &[u8], now_us: u64) -> Option<Known> {
        self.name.extend_from_slice(more);
        self.find(now_us)
    }

    /// Remembers what was not found.
    pub fn remember(&mut self, known: Known, now_us: u64) {
        self.slots.resize_with(usize::try_from(SLOTS).unwrap_or(0), Slot::default);
        let place = self.place();
        if let Some(slot) = self.slots.get_mut(place) {
            slot.name.clone_from(&self.name);
            slot.asked_us = now_us;
            slot.known = Some(known);
        }
    }

    fn find(&self, now_us: u64) -> Option<Known> {
        let slot = self.slots.get(self.place()).filter(|slot| slot.name == self.name)?;
        (now_us.saturating_sub(slot.asked_us) < AGE_MAX_US).then(|| slot.known.clone()).flatten()
    }

    fn place(&self) -> usize {
        usize::try_from(spread(&self.name) & (SLOTS - 1)).unwrap_or(0)
    }
}
