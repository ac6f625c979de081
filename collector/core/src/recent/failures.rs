//! The last failed requests and connections in full, edge by edge.
//!
//! In: failed records with their named edges. Out: the same, by number, in the order in which they were named. Always holds:
//! `seen = kept + evicted`, those apart that wait for their peer's name; no edge has more than `edge_records_max`, all
//! together no more than `records_max` in no more than `bytes_max`, and what goes is the oldest, of the edge or of all;
//! numbers rise, also across a start, so that whoever read up to one can go on there.
//!
//! It is no part of a checkpoint: after a start it holds what the journal still has.

mod failed_record;
mod rows;
pub(crate) mod metrics;
mod settings;

pub use failed_record::{Failed, Named};
pub use settings::Settings;

use crate::identity::EdgeId;
use crate::identity::ResolvedEdge;
use failed_record::{edge_bytes, row_bytes};
use rows::Rows;
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Why one is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// Its edge had newer ones.
    Edge,
    /// All edges together had too many.
    Records,
    /// They took too much room.
    Bytes,
}

impl Evicted {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Edge, Self::Records, Self::Bytes];

    /// As the label `reason` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Records => "records",
            Self::Bytes => "bytes",
        }
    }
}

#[derive(Debug)]
struct Ring {
    edge: Arc<ResolvedEdge>,
    /// Under which number it is known.
    number: Option<EdgeId>,
    /// Places of its rows, the oldest first.
    places: VecDeque<u64>,
}

#[derive(Debug)]
struct Row {
    ring: usize,
    named: Named,
}

/// See above.
#[derive(Debug, Default)]
pub struct Failures {
    limits: Settings,
    rows: Rows<Row>,
    rings: Slab<Ring>,
    by_edge: HashMap<Arc<ResolvedEdge>, usize, foldhash::quality::RandomState>,
    /// Rings by the numbers that their edges have among the series: to spell and to hash a name costs more than all else.
    by_number: HashMap<u32, usize, foldhash::fast::RandomState>,
    /// As of which numbers hold.
    generation: u64,
    bytes: usize,
    last: u64,
    seen: u64,
    folded: u64,
    evicted: [u64; Evicted::ALL.len()],
}

impl Failures {
    /// None yet.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Other limits from now on.
    pub fn limit(&mut self, limits: Settings) {
        self.limits = limits;
        self.shrink(None);
    }

    /// So many of one edge are worth bringing.
    #[must_use]
    pub fn edge_records_max(&self) -> usize {
        self.limits.edge_records_max.min(self.limits.records_max)
    }

    /// So many may be kept together.
    #[must_use]
    pub fn records_max(&self) -> usize {
        self.limits.records_max
    }

    /// Notes failed ones that are not brought, since their edge has enough that are newer.
    pub fn pass_over(&mut self, count: u64) {
        self.seen = self.seen.saturating_add(count);
        self.note(Evicted::Edge, count);
    }

    /// Notes failed ones of which only counts are known.
    pub fn fold(&mut self, count: u64) {
        self.folded = self.folded.saturating_add(count);
    }

    /// Keeps failed ones of an edge, the oldest first. `now_us`: microseconds since the Unix epoch.
    pub fn put(&mut self, edge: &Arc<ResolvedEdge>, failed: impl IntoIterator<Item = Failed>, now_us: u64) {
        let ring = self.ring(edge);
        self.keep((ring, edge), failed, now_us);
    }

    /// The same for an edge of the series, whose number holds as long as `generation` does. `name` is asked for when none of it
    /// are kept yet; without a name they come back.
    pub(crate) fn put_numbered<F: IntoIterator<Item = Failed>>(
        &mut self,
        (number, generation): (EdgeId, u64),
        name: impl FnOnce() -> Option<Arc<ResolvedEdge>>,
        failed: F,
        now_us: u64,
    ) -> Result<(), F> {
        if std::mem::replace(&mut self.generation, generation) != generation {
            self.by_number.clear();
        }
        let known = self.by_number.get(&number.0).copied();
        let known = known.and_then(|ring| Some((ring, self.rings.get(ring)?.edge.clone())));
        let (ring, edge) = match known {
            Some(known) => known,
            None => {
                let Some(edge) = name() else { return Err(failed) };
                let ring = self.ring(&edge);
                self.by_number.insert(number.0, ring);
                if let Some(ring) = self.rings.get_mut(ring) {
                    ring.number = Some(number);
                }
                (ring, edge)
            }
        };
        self.keep((ring, &edge), failed, now_us);
        Ok(())
    }

    fn keep(
        &mut self,
        (ring, edge): (usize, &Arc<ResolvedEdge>),
        failed: impl IntoIterator<Item = Failed>,
        now_us: u64,
    ) {
        for failed in failed {
            self.seen = self.seen.saturating_add(1);
            self.last = self.last.saturating_add(1).max(now_us);
            let named = Named { number: self.last, edge: edge.clone(), failed };
            self.bytes = self.bytes.saturating_add(row_bytes(&named.failed));
            let place = self.rows.push(self.last, Row { ring, named });
            if let Some(ring) = self.rings.get_mut(ring) {
                ring.places.push_back(place);
            }
            while self.rings.get(ring).is_some_and(|it| it.places.len() > self.limits.edge_records_max) {
                self.evict(ring, Evicted::Edge);
            }
            self.shrink(Some(ring));
        }
        self.forget_if_empty(ring);
        if self.rows.is_untidy() {
            self.tidy();
        }
    }

    fn tidy(&mut self) {
        let Self { rows, rings, .. } = self;
        rings.iter_mut().for_each(|(_, ring)| ring.places.clear());
        rows.tidy(|row, place| {
            if let Some(ring) = rings.get_mut(row.ring) {
                ring.places.push_back(place);
            }
        });
    }

    /// Those with a number over `after`, the oldest first.
    pub fn after(&self, after: u64) -> impl DoubleEndedIterator<Item = &Named> {
        self.rows.after(after).map(|row| &row.named)
    }

    /// The last number that was given.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// Edges that have some.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.rings.len()
    }

    /// What they take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Failed ones that came one by one.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Failed ones that came inside fold rows, without detail.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Those that are gone.
    #[must_use]
    pub fn evicted(&self, why: Evicted) -> u64 {
        self.evicted.get(why as usize).copied().unwrap_or(0)
    }

    fn ring(&mut self, edge: &Arc<ResolvedEdge>) -> usize {
        if let Some(ring) = self.by_edge.get(edge) {
            return *ring;
        }
        self.bytes = self.bytes.saturating_add(edge_bytes(edge));
        let ring = self.rings.insert(Ring { edge: edge.clone(), number: None, places: VecDeque::new() });
        self.by_edge.insert(edge.clone(), ring);
        ring
    }

    /// Down to the limits. `busy`: a ring that stays, though it be empty.
    fn shrink(&mut self, busy: Option<usize>) {
        loop {
            let why = match (self.rows.len() > self.limits.records_max, self.bytes > self.limits.bytes_max) {
                (true, _) => Evicted::Records,
                (false, true) => Evicted::Bytes,
                (false, false) => break,
            };
            let Some(ring) = self.rows.oldest().map(|row| row.ring) else { break };
            self.evict(ring, why);
            if busy != Some(ring) {
                self.forget_if_empty(ring);
            }
        }
    }

    /// Lets go of the oldest of a ring.
    fn evict(&mut self, ring: usize, why: Evicted) {
        let place = self.rings.get_mut(ring).and_then(|ring| ring.places.pop_front());
        if let Some(row) = place.and_then(|place| self.rows.take(place)) {
            self.bytes = self.bytes.saturating_sub(row_bytes(&row.named.failed));
            self.note(why, 1);
        }
    }

    fn note(&mut self, why: Evicted, count: u64) {
        if let Some(evicted) = self.evicted.get_mut(why as usize) {
            *evicted = evicted.saturating_add(count);
        }
    }

    fn forget_if_empty(&mut self, ring: usize) {
        if self.rings.get(ring).is_some_and(|ring| ring.places.is_empty()) {
            let Ring { edge, number, .. } = self.rings.remove(ring);
            self.by_edge.remove(&edge);
            // One that stands for another edge by now is learnt anew.
            number.and_then(|EdgeId(number)| self.by_number.remove(&number));
            self.bytes = self.bytes.saturating_sub(edge_bytes(&edge));
        }
    }
}

#[cfg(test)]
mod tests;
