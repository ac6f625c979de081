//! The cache of edges.
//!
//! In: the stream info that identifies an edge. Out: the edge, which is read again only when it is
//! absent or old.
//! Invariant: at most `SLOTS` edges; a new edge replaces another one whose key hashes to the same
//! slot; no edge is older than `AGE_MAX_US`.
//!
//! Cached at a source: the attributes of an upstream host that was reached, by cluster and address.
//! At a destination: the attributes of a connection and a cluster. An address within a cluster
//! changes its owner only when a pod ends and another pod gets the address; hence the maximum age.
//! A host that was not reached is not cached, because its certificate was not seen.

use super::edge::Edge;
use super::stream_info::StreamInfo;
use crate::text::hash::{MULTIPLIER, bytes_equal, quick_hash};
use std::rc::Rc;

/// Slots of the cache, a power of two.
const SLOTS: usize = 1_024;

/// The shift that leaves a slot of a hash.
const SHIFT: u32 = u64::BITS - SLOTS.ilog2();

/// The maximum age of an edge. Amazon's network plugin reuses a freed address after the same time.
const AGE_MAX_US: u64 = 30_000_000;

/// A cached result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cached {
    /// The edge.
    Edge(Rc<Edge>),
    /// The service depends on the request, so that the key needs the authority too.
    ByAuthority,
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct EdgeCache {
    slots: Vec<Option<Slot>>,
}

#[derive(Debug, Clone)]
struct Slot {
    hash: u64,
    suffix: Box<[u8]>,
    read_us: u64,
    cached: Cached,
}

/// The key of an edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheKey<'a> {
    /// The hash of cluster, address and connection. 64 bits distinguish some thousand keys, and no
    /// client chooses these values, so the values themselves are not compared.
    hash: u64,
    /// A part that clients can choose; it is compared.
    suffix: &'a [u8],
}

impl<'a> CacheKey<'a> {
    /// Returns the key of an edge, extended by a suffix.
    #[must_use]
    pub(super) fn new(info: &StreamInfo<'a>, suffix: &'a [u8]) -> Self {
        // With a forwarded-for header every request has another, meaningless address with port 0.
        let route = if let [.., b':', b'0'] = info.address { info.cluster } else { info.route };
        // 0 at a source; Envoy counts connections from 0.
        let connection = info.connection.wrapping_add(u64::from(info.is_destination));
        Self { hash: quick_hash(suffix, quick_hash(route, connection)), suffix }
    }

    fn slot(&self) -> usize {
        usize::try_from(self.hash.wrapping_mul(MULTIPLIER) >> SHIFT).unwrap_or(0)
    }

    fn matches(&self, slot: &Slot) -> bool {
        self.hash == slot.hash && bytes_equal(self.suffix, &slot.suffix)
    }
}

impl EdgeCache {
    /// Returns the entry of a key, unless it is too old.
    #[must_use]
    pub(super) fn get(&self, key: &CacheKey<'_>, now_us: u64) -> Option<Cached> {
        let slot = self.slots.get(key.slot())?.as_ref().filter(|slot| key.matches(slot))?;
        (now_us.saturating_sub(slot.read_us) < AGE_MAX_US).then(|| slot.cached.clone())
    }

    /// Stores an entry that was not found.
    pub(super) fn insert(&mut self, key: &CacheKey<'_>, cached: Cached, now_us: u64) {
        self.slots.resize_with(SLOTS, || None);
        if let Some(slot) = self.slots.get_mut(key.slot()) {
            *slot = Some(Slot { hash: key.hash, suffix: key.suffix.into(), read_us: now_us, cached });
        }
    }
}
