//! Edges that are known already: most batches tell of the same ones again and again.
//!
//! In: what stands for an edge as its proxy told it. Out: its numbers in the other rooms. Always holds: what is known is used
//! only as long as nothing changed by which it would be named, counted or joined in another way; at most `max` edges are
//! known, and when there is one more all are forgotten and learnt anew, which is counted.

use crate::batch::{EdgeFingerprint, Text};
use crate::identity::EdgeId;
use crate::interner::Interner;
use crate::join;
use hashbrown::HashTable;

/// What is known of an edge as one proxy told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CachedEdge {
    /// When this was learnt: the lower half of a generation.
    pub(super) generation: u32,
    pub(super) counted: Counted,
    /// Its numbers among the hops; `None` when nothing is joined.
    pub(super) joined: Option<join::HopEdgeIds>,
    /// The proxy at its other end, or [`NOBODY`].
    pub(super) peer: u32,
}

/// How the requests of an edge are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted(u32);

impl Counted {
    /// It is to wait for a better name.
    pub(super) const PENDING: Self = Self(u32::MAX);
    /// There was no room for series of its own.
    const OVERFLOWS: Self = Self(u32::MAX - 1);
    /// One by one, as the join finds who called.
    pub(super) const BY_JOIN: Self = Self(u32::MAX - 2);

    /// In the series of this edge.
    pub(super) fn of(edge: Option<EdgeId>) -> Self {
        edge.map_or(Self::OVERFLOWS, |EdgeId(number)| Self(number))
    }

    /// The edge, where it has one.
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

/// No proxy that is known.
pub(super) const NO_PEER: u32 = u32::MAX;

/// See above.
#[derive(Debug)]
pub(crate) struct EdgeCache {
    /// Places in `known`.
    slots: HashTable<u32>,
    known: Vec<(EdgeFingerprint, CachedEdge)>,
    /// Proxies at other ends, and when each was met last.
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
        Self { slots: HashTable::new(), known: Vec::new(), peers: Interner::new(max), max, evicted: 0 }
    }

    /// Another bound from now on.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
        self.peers.limit(max);
    }

    /// What is known of an edge, be it of today or not.
    #[inline]
    pub(super) fn get(&self, fingerprint: EdgeFingerprint) -> Option<&CachedEdge> {
        self.at(self.index(fingerprint)?)
    }

    /// The number of a proxy at other ends.
    pub(super) fn peer(&mut self, proxy: &Text) -> u32 {
        if self.peers.len() >= self.max && self.peers.find(&**proxy).is_none() {
            // Proxies come and go behind one address, so that there may be more of them than edges.
            self.evict_all();
        }
        self.peers.number(proxy, || 0).unwrap_or(NO_PEER)
    }

    /// That proxy, if it was not met within `again_us`; it is met now.
    #[inline]
    pub(super) fn note_alive(&mut self, peer: u32, interval_us: u64, now_us: u64) -> Option<&Text> {
        let alive_us = self.peers.get_mut(peer)?;
        if now_us.saturating_sub(*alive_us) < interval_us {
            return None;
        }
        *alive_us = now_us;
        self.peers.key(peer)
    }

    /// Where an edge stands, until something is learnt.
    #[inline]
    pub(super) fn index(&self, fingerprint: EdgeFingerprint) -> Option<u32> {
        let is_it =
            |index: &u32| self.known.get(*index as usize).is_some_and(|(known, _)| *known == fingerprint);
        self.slots.find(fingerprint.0, is_it).copied()
    }

    /// What stands at a place.
    #[inline]
    pub(super) fn at(&self, index: u32) -> Option<&CachedEdge> {
        self.known.get(index as usize).map(|(_, known)| known)
    }

    /// Learns an edge.
    pub(super) fn put(&mut self, fingerprint: EdgeFingerprint, known: CachedEdge) {
        if let Some((_, index)) = self.index(fingerprint).and_then(|index| self.known.get_mut(index as usize))
        {
            *index = known;
            return;
        }
        if self.known.len() >= self.max {
            self.evict_all();
        }
        let Ok(index) = u32::try_from(self.known.len()) else { return };
        self.known.push((fingerprint, known));
        let Self { slots, known, .. } = self;
        let hash = |index: &u32| known.get(*index as usize).map_or(0, |(fingerprint, _)| fingerprint.0);
        slots.insert_unique(fingerprint.0, index, hash);
    }

    fn evict_all(&mut self) {
        self.evicted = self.evicted.saturating_add(self.known.len() as u64);
        self.slots.clear();
        self.known.clear();
        self.peers.retain(|_| false);
    }

    /// Edges that are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Edges that were forgotten since there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::{CachedEdge, Counted, EdgeCache, NO_PEER};
    use crate::batch::EdgeFingerprint;

    fn known(generation: u32) -> CachedEdge {
        CachedEdge { generation, counted: Counted::PENDING, joined: None, peer: NO_PEER }
    }

    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<(EdgeFingerprint, CachedEdge)>(), 40);
    }

    #[test]
    fn proxies_are_bounded_as_edges_are() {
        let mut cache = EdgeCache::new(2);
        cache.put(EdgeFingerprint(1, 1), known(1));
        let peers = ["a", "b", "a", "c"].map(|proxy| cache.peer(&proxy.into()));
        assert_eq!((&peers[..3], cache.len(), cache.evicted()), (&[0, 1, 0][..], 0, 1));
        assert!(cache.note_alive(peers[3], 1, 9).is_some_and(|proxy| &**proxy == "c"));
    }

    #[test]
    fn a_proxy_is_met_again_after_a_while() {
        let mut cache = EdgeCache::new(9);
        let peer = cache.peer(&"a".into());
        assert_eq!((cache.peer(&"b".into()), cache.peer(&"a".into())), (1, peer));
        let met = [7, 8, 17].map(|now_us| cache.note_alive(peer, 10, 10 + now_us).is_some());
        assert_eq!((met, cache.note_alive(NO_PEER, 10, 99)), ([true, false, true], None));
    }

    #[test]
    fn it_knows_what_it_was_told_last_and_no_more_than_its_bound() {
        let mut cache = EdgeCache::new(2);
        let generation =
            |cache: &EdgeCache, fingerprint| cache.get(fingerprint).map(|known| known.generation);
        // Half a print in common is not enough.
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
