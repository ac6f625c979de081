//! What was counted of the hops of one edge.
//!
//! In: verdicts with the two endings they rest on, and gaps. Out: counts. Always holds: the cells add up to the hops of
//! the edge, so verdicts and matrix are two readings of one table.

use super::ending::Ending;
use super::verdict::Verdict;
use crate::batch::Text;
use crate::histogram::durations::Durations;
use crate::identity::{End, ResolvedEdge};
use crate::interner::Registry;
use std::sync::Arc;

/// One end of an edge, as hops are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The Deployment or the like.
    pub workload: Text,
    /// Its namespace.
    pub namespace: Text,
    /// Its version.
    pub version: Text,
}

impl Place {
    fn of(end: &End) -> Self {
        Self {
            workload: end.workload.clone(),
            namespace: end.namespace.clone(),
            version: end.version.clone(),
        }
    }
}

/// Who calls whom, and as which service. Hops are counted under the names that the caller's side told; those that only the
/// called side told of, under its names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HopEdge {
    /// Who called.
    pub source: Arc<Place>,
    /// Who was called.
    pub destination: Arc<Place>,
    /// The service that was meant.
    pub service: Text,
}

/// A [`HopEdge`] in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    source: u32,
    destination: u32,
    service: u32,
}

/// Places and services that edges have in common, each held once; and whether any edge has them.
#[derive(Debug)]
pub(super) struct Shared {
    places: Registry<Arc<Place>, bool>,
    services: Registry<Text, bool>,
}

impl Shared {
    /// Room for the parts of so many edges.
    pub(super) fn new(edges_max: usize) -> Self {
        Self { places: Registry::new(edges_max.saturating_mul(2)), services: Registry::new(edges_max) }
    }

    /// Another bound from now on.
    pub(super) fn limit(&mut self, edges_max: usize) {
        self.places.limit(edges_max.saturating_mul(2));
        self.services.limit(edges_max);
    }

    /// What the hops of an edge are counted under; `None` when there is no room for one of its parts.
    pub(super) fn key(&mut self, edge: &ResolvedEdge) -> Option<Key> {
        let mut place = |end: &End| self.places.number(&Arc::new(Place::of(end)), || true);
        Some(Key {
            source: place(&edge.source)?,
            destination: place(&edge.destination)?,
            service: self.services.number(&edge.service.host, || true)?,
        })
    }

    /// Numbers of an edge with these names; `None` when there is no room for one of them.
    pub(super) fn key_of(&mut self, edge: &HopEdge) -> Option<Key> {
        Some(Key {
            source: self.places.number(&edge.source, || true)?,
            destination: self.places.number(&edge.destination, || true)?,
            service: self.services.number(&edge.service, || true)?,
        })
    }

    /// The name of such an edge.
    pub(super) fn name(&self, key: Key) -> Option<HopEdge> {
        Some(HopEdge {
            source: self.places.key(key.source)?.clone(),
            destination: self.places.key(key.destination)?.clone(),
            service: self.services.key(key.service)?.clone(),
        })
    }

    /// Lets go of what none of these edges has.
    pub(super) fn keep(&mut self, keys: impl Iterator<Item = Key>) {
        self.places.values_mut().for_each(|used| *used = false);
        self.services.values_mut().for_each(|used| *used = false);
        for Key { source, destination, service } in keys {
            for place in [source, destination] {
                self.places.get_mut(place).into_iter().for_each(|used| *used = true);
            }
            self.services.get_mut(service).into_iter().for_each(|used| *used = true);
        }
        self.places.retain(|used| *used);
        self.services.retain(|used| *used);
    }
}

/// What two sides said, and what it comes to. `None` for a side that said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// What it comes to.
    pub verdict: Verdict,
    /// How the caller's side saw it end.
    pub source: Option<Ending>,
    /// How the called side did.
    pub destination: Option<Ending>,
}

/// A [`Cell`] in three bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Packed([u8; 3]);

impl Packed {
    const NONE: u8 = u8::MAX;

    fn of(cell: Cell) -> Self {
        let number = |ending: Option<Ending>| ending.map_or(Self::NONE, Ending::number);
        Self([cell.verdict.number(), number(cell.source), number(cell.destination)])
    }

    fn cell(self) -> Cell {
        let Self([verdict, source, destination]) = self;
        let ending = |number| (number != Self::NONE).then(|| Ending::from_number(number));
        Cell {
            verdict: Verdict::from_number(verdict),
            source: ending(source),
            destination: ending(destination),
        }
    }
}

/// The hops of one edge.
#[derive(Debug, Default)]
pub struct EdgeHops {
    /// The first cell, which is the only one of most edges, and its hops.
    first: Packed,
    first_count: u64,
    others: Option<Box<Others>>,
    pub(super) gap: Durations,
    pub(super) gap_negative: u64,
    /// Hops that both sides told of; no more are counted than fit.
    pub(super) joined: u32,
    /// Hops that were called one-sided; likewise.
    pub(super) peer_not_instrumented: u32,
    /// Time of the first record, seconds since the Unix epoch: half the size of microseconds.
    pub(super) created_s: u32,
}

#[derive(Debug, Default)]
struct Others(Vec<(Packed, u64)>);

impl EdgeHops {
    /// What was said, and how often.
    pub fn cells(&self) -> impl Iterator<Item = (Cell, u64)> + '_ {
        let first = std::iter::once((self.first, self.first_count));
        let others = self.others.iter().flat_map(|others| others.0.iter().copied());
        let cells = first.chain(others).filter(|(_, count)| *count > 0);
        cells.map(|(cell, count)| (cell.cell(), count))
    }

    /// How many hops.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.cells().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// How many hops with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        let cells = self.cells().filter(|(cell, _)| cell.verdict == verdict);
        cells.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// How many hops whose two sides disagree.
    #[must_use]
    pub fn disagreements(&self) -> u64 {
        let cells = self.cells().filter(|(cell, _)| cell.verdict.is_disagreement());
        cells.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The caller's duration less the called side's, for hops whose pairing is sure and whose answer came through: the
    /// network, TLS, and the queues of both proxies.
    #[must_use]
    pub fn gap(&self) -> &Durations {
        &self.gap
    }

    /// Hops among those of the gap whose called side took longer than the caller; they count as 0.
    #[must_use]
    pub fn gap_negative(&self) -> u64 {
        self.gap_negative
    }

    /// Time of the first record, microseconds since the Unix epoch, to the second.
    #[must_use]
    pub fn created_us(&self) -> u64 {
        u64::from(self.created_s) * 1_000_000
    }

    /// Notes that a record of the edge has arrived.
    #[inline]
    pub(super) fn begin(&mut self, now_us: u64) {
        if self.created_s == 0 {
            self.created_s = u32::try_from(now_us / 1_000_000).unwrap_or(u32::MAX);
        }
    }

    #[inline]
    pub(super) fn add(&mut self, cell: Cell) {
        self.add_times(cell, 1);
    }

    /// Counts some hops with equal endings and verdict.
    #[inline]
    pub(super) fn add_times(&mut self, cell: Cell, times: u64) {
        let packed = Packed::of(cell);
        if self.first_count == 0 || self.first == packed {
            self.first = packed;
            self.first_count = self.first_count.saturating_add(times);
            return;
        }
        let Others(others) = &mut **self.others.get_or_insert_default();
        match others.iter_mut().find(|(known, _)| *known == packed) {
            Some((_, count)) => *count = count.saturating_add(times),
            None => {
                // Few edges have more than one.
                others.reserve_exact(1);
                others.push((packed, times));
            }
        }
    }

    /// Something that depends on the memory of the counters having arrived.
    #[inline]
    pub(super) fn touch(&self) -> u8 {
        self.gap.touch()
    }

    pub(super) fn add_gap(&mut self, source_us: u32, destination_us: u32) {
        if destination_us > source_us {
            self.gap_negative = self.gap_negative.saturating_add(1);
        }
        self.gap.record(source_us.saturating_sub(destination_us).into());
    }
}

/// Most memory of a large mesh is entries.
const _: () = assert!(size_of::<Entry>() <= 96, "an entry takes more memory than before");

/// No number.
pub(super) const NONE: u32 = u32::MAX;

/// The hops of one edge, and what else the join wants to know of it.
#[derive(Debug)]
pub(super) struct Entry {
    /// When a record of it came last.
    pub(super) last_us: u64,
    pub(super) book: EdgeHops,
    /// Numbers of the calling and of the called end, or [`NONE`].
    pub(super) caller: u32,
    pub(super) called: u32,
}

impl Default for Entry {
    fn default() -> Self {
        Self { last_us: 0, book: EdgeHops::default(), caller: NONE, called: NONE }
    }
}
