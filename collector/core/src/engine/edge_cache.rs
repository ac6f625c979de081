//! Cache of resolved edges, since most batches of a proxy report the same ones.
//!
//! In: fingerprint of an edge as its proxy reported it. Out: its ids in the other stages.
//! Invariant: an entry is used only in the generation in which it was resolved; at most `max` edges
//! are cached, and one more evicts all of them, which is counted.

pub(super) mod metrics;

use crate::batch::{Batch, EdgeFingerprint, Identity, Text};
use crate::identity::{ALIVE_STEP_US, EdgeId};
use crate::interner::Interner;
use crate::join;
use hashbrown::HashTable;
use std::sync::Arc;

/// Resolution of an edge that one proxy reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct CachedEdge {
    /// Lower half of the generation in which the edge was resolved.
    pub(super) generation: u32,
    pub(super) counted: Counted,
    /// Ids that the join uses; `None` if they are not needed.
    pub(super) joined: Option<join::HopEdgeIds>,
    /// Number of the proxy of the peer, or [`NO_PEER`].
    pub(super) peer: u32,
}

/// Destination of the requests of an edge: the id of an edge, or a special value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted(u32);

impl Counted {
    /// Pending resolution.
    pub(super) const PENDING: Self = Self(u32::MAX);
    /// An overflow series.
    const OVERFLOWS: Self = Self(u32::MAX - 1);
    /// Pending request by request, until the join infers their callers.
    pub(super) const BY_JOIN: Self = Self(u32::MAX - 2);

    /// The series of an edge, or an overflow series.
    pub(super) fn of(edge: Option<EdgeId>) -> Self {
        edge.map_or(Self::OVERFLOWS, |EdgeId(number)| Self(number))
    }

    /// Id of the edge, if its requests have series of their own.
    #[inline]
    pub(super) fn edge(self) -> Option<EdgeId> {
        (self.0 < Self::BY_JOIN.0).then_some(EdgeId(self.0))
    }
}

/// Whether the ids that the join uses are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joins {
    /// For requests.
    Yes,
    /// For connections and requests in flight, which are not joined.
    No,
}

/// Number of an unknown proxy.
pub(super) const NO_PEER: u32 = u32::MAX;

/// Resolved edges by fingerprint.
#[derive(Debug)]
pub(crate) struct EdgeCache {
    /// Indices in `entries`.
    slots: HashTable<u32>,
    entries: Vec<(EdgeFingerprint, CachedEdge)>,
    /// Proxies of peers, each with the step of [`ALIVE_STEP_US`] in which it was last noted as
    /// alive.
    peers: Interner<Text, u64>,
    max: usize,
    evicted: u64,
}

impl Default for EdgeCache {
    fn default() -> Self {
        Self::new(0)
    }
}

impl EdgeCache {
    pub(super) fn new(max: usize) -> Self {
        Self { slots: HashTable::new(), entries: Vec::new(), peers: Interner::new(max), max, evicted: 0 }
    }

    /// Sets another bound.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
        self.peers.limit(max);
    }

    /// Returns the entry of an edge, of whatever generation.
    #[inline]
    pub(super) fn get(&self, fingerprint: EdgeFingerprint) -> Option<&CachedEdge> {
        self.at(self.index(fingerprint)?)
    }

    /// Returns the number of the proxy of a peer.
    pub(super) fn peer(&mut self, proxy: &Text) -> u32 {
        if self.peers.len() >= self.max && self.peers.find(&**proxy).is_none() {
            // Several proxies may have one address over time, so there may be more of them than
            // edges.
            self.evict_all();
        }
        self.peers.number(proxy, || 0).unwrap_or(NO_PEER)
    }

    /// Notes that a proxy is alive. Returns it, unless it was noted in the same step of
    /// [`ALIVE_STEP_US`].
    #[inline]
    pub(super) fn note_alive(&mut self, peer: u32, now_us: u64) -> Option<&Text> {
        let step = self.peers.get_mut(peer)?;
        let now = now_us / ALIVE_STEP_US;
        if now == *step {
            return None;
        }
        *step = now;
        self.peers.key(peer)
    }

    /// Returns the index of an edge, which is valid until the next insertion.
    #[inline]
    pub(super) fn index(&self, fingerprint: EdgeFingerprint) -> Option<u32> {
        let is_it =
            |index: &u32| self.entries.get(*index as usize).is_some_and(|(known, _)| *known == fingerprint);
        self.slots.find(fingerprint.0, is_it).copied()
    }

    /// Returns the entry at an index.
    #[inline]
    pub(super) fn at(&self, index: u32) -> Option<&CachedEdge> {
        self.entries.get(index as usize).map(|(_, known)| known)
    }

    /// Inserts or replaces an entry.
    pub(super) fn put(&mut self, fingerprint: EdgeFingerprint, cached: CachedEdge) {
        if let Some((_, entry)) =
            self.index(fingerprint).and_then(|index| self.entries.get_mut(index as usize))
        {
            *entry = cached;
            return;
        }
        if self.entries.len() >= self.max {
            self.evict_all();
        }
        let Ok(index) = u32::try_from(self.entries.len()) else { return };
        self.entries.push((fingerprint, cached));
        let Self { slots, entries, .. } = self;
        let hash = |index: &u32| entries.get(*index as usize).map_or(0, |(fingerprint, _)| fingerprint.0);
        slots.insert_unique(fingerprint.0, index, hash);
    }

    fn evict_all(&mut self) {
        self.evicted = self.evicted.saturating_add(self.entries.len() as u64);
        self.slots.clear();
        self.entries.clear();
        self.peers.retain(|_| false);
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Number of entries that were evicted because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// Returns the key of an edge in the cache. The address of the identity makes it specific to the
/// reporting proxy; the address may be reused after an identity changed, but then the generation
/// did, too.
#[inline]
pub(super) fn fingerprint_of(batch: &Batch, index: usize, own: &Arc<Identity>) -> EdgeFingerprint {
    let EdgeFingerprint(left, right) = batch.edges.fingerprint(index).unwrap_or_default();
    EdgeFingerprint(left ^ (Arc::as_ptr(own) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), right)
}

#[cfg(test)]
mod tests {
    use super::{ALIVE_STEP_US, CachedEdge, Counted, EdgeCache, NO_PEER};
    use crate::batch::EdgeFingerprint;

    fn known(generation: u32) -> CachedEdge {
        CachedEdge { generation, counted: Counted::PENDING, joined: None, peer: NO_PEER }
    }

    #[test]
    fn an_entry_takes_40_bytes() {
        assert_eq!(size_of::<(EdgeFingerprint, CachedEdge)>(), 40);
    }

    #[test]
    fn proxies_are_bounded_as_edges_are() {
        let mut cache = EdgeCache::new(2);
        cache.put(EdgeFingerprint(1, 1), known(1));
        let peers = ["a", "b", "a", "c"].map(|proxy| cache.peer(&proxy.into()));
        assert_eq!((&peers[..3], cache.len(), cache.evicted()), (&[0, 1, 0][..], 0, 1));
        assert!(cache.note_alive(peers[3], 9 * ALIVE_STEP_US).is_some_and(|proxy| &**proxy == "c"));
    }

    #[test]
    fn a_proxy_is_noted_as_alive_once_per_step() {
        let mut cache = EdgeCache::new(9);
        let peer = cache.peer(&"a".into());
        assert_eq!((cache.peer(&"b".into()), cache.peer(&"a".into())), (1, peer));
        let noted = [7, 7 + 1, 7 + ALIVE_STEP_US]
            .map(|now_us| cache.note_alive(peer, 10 * ALIVE_STEP_US + now_us).is_some());
        assert_eq!((noted, cache.note_alive(NO_PEER, 99 * ALIVE_STEP_US)), ([true, false, true], None));
    }

    #[test]
    fn the_last_entry_of_an_edge_counts_and_one_entry_too_many_evicts_all() {
        let mut cache = EdgeCache::new(2);
        let generation =
            |cache: &EdgeCache, fingerprint| cache.get(fingerprint).map(|known| known.generation);
        // Fingerprints that are equal in one half only are different.
        let [a, b, c] = [EdgeFingerprint(1, 1), EdgeFingerprint(1, 2), EdgeFingerprint(2, 1)];
        cache.put(a, known(1));
        cache.put(b, known(2));
        cache.put(a, known(3));
        assert_eq!([a, b, c].map(|fingerprint| generation(&cache, fingerprint)), [Some(3), Some(2), None]);
        cache.put(c, known(4));
        assert_eq!([a, b, c].map(|fingerprint| generation(&cache, fingerprint)), [None, None, Some(4)]);
        assert_eq!((cache.len(), cache.evicted()), (1, 2));
    }
}
