//! EdgeInterner that are known already.
//!
//! In: the facts that name an edge. Out: the edge, asked for again only when it is new or old. Always holds: at most
//! `SLOTS` edges; a new one takes the slot of another whose name happens to lie there; none is older than
//! `AGE_MAX_US`.
//!
//! What is safe to remember: at a source what Envoy knows of an upstream host that was reached, under the names of
//! cluster and address; at a destination what it knows of a connection and a cluster. An address changes hands within
//! one cluster only when a pod goes and another gets its address, hence the age. Nothing is remembered of a host that was
//! not reached, since its certificate was not seen.

use crate::record::record::Edge;
use crate::record::stream_info::StreamInfo;
use crate::text::hash::{MULTIPLIER, bytes_equal, quick_hash};
use std::rc::Rc;

/// EdgeInterner in the table, a power of two.
const SLOTS: usize = 1_024;

/// What leaves a place of a hash.
const SHIFT: u32 = u64::BITS - SLOTS.ilog2();

/// EdgeInterner are asked for anew after so long. Amazon's network plugin keeps an address for as long before it gives it again.
const AGE_MAX_US: u64 = 30_000_000;

/// What is known under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached {
    /// The edge.
    Edge(Rc<Edge>),
    /// That the service is named by what the request says, so that the name is not enough.
    ByAuthority,
}

/// The table.
#[derive(Debug, Default)]
pub struct EdgeCache {
    slots: Vec<Option<Slot>>,
}

#[derive(Debug, Clone)]
struct Slot {
    hash: u64,
    more: Box<[u8]>,
    asked_us: u64,
    known: Cached,
}

/// What names an edge.
#[derive(Debug, Clone, Copy)]
pub struct CacheKey<'a> {
    /// Of cluster, address and connection, in place of these: 64 bits tell some thousand names apart, and nobody from outside
    /// chooses them.
    hash: u64,
    /// Whoever sends requests may choose this, so it is compared.
    more: &'a [u8],
}

impl<'a> CacheKey<'a> {
    /// The name that the facts give an edge, and something more.
    #[must_use]
    pub fn new(facts: &StreamInfo<'a>, more: &'a [u8]) -> Self {
        // Behind a forwarded-for header every request brings another address, all without meaning.
        let route = if let [.., b':', b'0'] = facts.address { facts.cluster } else { facts.route };
        // 0 at a source; Envoy counts connections from 0.
        let connection = facts.connection.wrapping_add(u64::from(facts.is_destination));
        Self { hash: quick_hash(more, quick_hash(route, connection)), more }
    }

    fn place(&self) -> usize {
        usize::try_from(self.hash.wrapping_mul(MULTIPLIER) >> SHIFT).unwrap_or(0)
    }

    fn is_of(&self, slot: &Slot) -> bool {
        self.hash == slot.hash && bytes_equal(self.more, &slot.more)
    }
}

impl EdgeCache {
    /// Looks for the edge of this name.
    #[must_use]
    pub fn look_up(&self, name: &CacheKey<'_>, now_us: u64) -> Option<Cached> {
        let slot = self.slots.get(name.place())?.as_ref().filter(|slot| name.is_of(slot))?;
        (now_us.saturating_sub(slot.asked_us) < AGE_MAX_US).then(|| slot.known.clone())
    }

    /// Remembers what was not found.
    pub fn remember(&mut self, name: &CacheKey<'_>, known: Cached, now_us: u64) {
        self.slots.resize_with(SLOTS, || None);
        if let Some(slot) = self.slots.get_mut(name.place()) {
            *slot = Some(Slot { hash: name.hash, more: name.more.into(), asked_us: now_us, known });
        }
    }
}
