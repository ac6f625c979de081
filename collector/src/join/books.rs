//! What was counted of the hops of one edge.
//!
//! In: verdicts with the two endings they rest on, and gaps. Out: counts. Always holds: the cells add up to the hops of
//! the edge, so verdicts and matrix are two readings of one table.

use super::ending::Ending;
use super::verdict::Verdict;
use crate::identity::{End, NamedEdge};
use crate::measure::durations::Durations;
use crate::report::Text;
use std::collections::HashSet;
use std::hash::Hash;
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

/// Places and services that edges have in common, each held once.
#[derive(Debug, Default)]
pub(super) struct Shared {
    places: HashSet<Arc<Place>>,
    services: HashSet<Text>,
}

impl Shared {
    /// The name under which the hops of an edge are counted.
    pub(super) fn edge(&mut self, edge: &NamedEdge) -> HopEdge {
        HopEdge {
            source: share(&mut self.places, Arc::new(Place::of(&edge.source))),
            destination: share(&mut self.places, Arc::new(Place::of(&edge.destination))),
            service: share(&mut self.services, edge.service.host.clone()),
        }
    }

    /// Lets go of what no edge has any more.
    pub(super) fn forget_unused(&mut self) {
        self.places.retain(|place| Arc::strong_count(place) > 1);
        self.services.retain(|service| Arc::strong_count(service) > 1);
    }
}

fn share<T: Clone + Hash + Eq>(known: &mut HashSet<T>, value: T) -> T {
    if let Some(known) = known.get(&value) {
        return known.clone();
    }
    known.insert(value.clone());
    value
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
pub struct EdgeBook {
    cells: Vec<(Packed, u64)>,
    gap: Durations,
    gap_negative: u64,
    /// Hops that both sides told of.
    pub(super) joined: u64,
    /// Hops that were called one-sided.
    pub(super) one_sided: u64,
}

impl EdgeBook {
    /// What was said, and how often.
    pub fn cells(&self) -> impl Iterator<Item = (Cell, u64)> + '_ {
        self.cells.iter().map(|(cell, count)| (cell.cell(), *count))
    }

    /// How many hops.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.cells.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
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

    pub(super) fn add(&mut self, cell: Cell) {
        let packed = Packed::of(cell);
        match self.cells.iter_mut().find(|(known, _)| *known == packed) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => {
                // Most edges have one or two.
                self.cells.reserve_exact(1);
                self.cells.push((packed, 1));
            }
        }
    }

    pub(super) fn add_gap(&mut self, source_us: u32, destination_us: u32) {
        if destination_us > source_us {
            self.gap_negative = self.gap_negative.saturating_add(1);
        }
        self.gap.record(source_us.saturating_sub(destination_us).into());
    }
}

/// The hops of one edge, and what else the join wants to know of it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) book: EdgeBook,
    /// Numbers of the calling and of the called end.
    pub(super) caller: Option<u32>,
    pub(super) called: Option<u32>,
    /// When a record of it came last.
    pub(super) last_us: u64,
}

impl Entry {
    pub(super) fn new((caller, called): (Option<u32>, Option<u32>)) -> Self {
        Self { caller, called, ..Self::default() }
    }
}
