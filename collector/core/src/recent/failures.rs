//! Last failed requests and connections in full detail, per edge.
//!
//! In: failed records with their resolved edges. Out: failures by number, in the order of
//! resolution.
//! Invariant: `seen` = stored + evicted; pending records count in neither. An edge has at most
//! `edge_records_max` failures; all edges together have at most `records_max`, in at most
//! `bytes_max`. The oldest failure of the edge, or of all, is evicted. Numbers increase, also
//! across a restart, so a client can continue after the last number that it read.

mod failed_record;
mod rows;
mod settings;
mod snapshot;
pub(crate) mod metrics;

pub use failed_record::{FailedRecord, Failure};

use crate::identity::EdgeId;
use crate::identity::ResolvedEdge;
use failed_record::{edge_bytes, row_bytes};
use rows::Rows;
pub use settings::Settings;
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Reason of an eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// The edge is at its limit.
    Edge,
    /// All edges together are at their limit.
    Records,
    /// The memory limit is reached.
    Bytes,
}

impl Evicted {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Edge, Self::Records, Self::Bytes];

    /// Value of the label `reason`.
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
struct EdgeRecords {
    edge: Arc<ResolvedEdge>,
    /// Number of the edge among the series, if known.
    number: Option<EdgeId>,
    /// Positions of the rows, the oldest first.
    positions: VecDeque<u64>,
}

#[derive(Debug)]
struct Row {
    slot: usize,
    failure: Failure,
}

/// Failures of all edges.
#[derive(Debug, Default)]
pub struct Failures {
    limits: Settings,
    rows: Rows<Row>,
    edges: Slab<EdgeRecords>,
    by_edge: HashMap<Arc<ResolvedEdge>, usize, foldhash::quality::RandomState>,
    /// Edges by the numbers of their series, since resolving and hashing the names of an edge would
    /// cost more than all the rest.
    by_number: HashMap<u32, usize, foldhash::fast::RandomState>,
    /// Generation of the numbers in `by_number`.
    generation: u64,
    bytes: usize,
    last: u64,
    seen: u64,
    folded: u64,
    evicted: [u64; Evicted::ALL.len()],
}

impl Failures {
    /// Returns an empty store.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Applies other limits.
    pub fn limit(&mut self, limits: Settings) {
        self.limits = limits;
        self.shrink(None);
    }

    /// Number of records of one edge that can be stored.
    #[must_use]
    pub fn edge_records_max(&self) -> usize {
        self.limits.edge_records_max.min(self.limits.records_max)
    }

    /// Number of records that can be stored.
    #[must_use]
    pub fn records_max(&self) -> usize {
        self.limits.records_max
    }

    /// Counts failed records that the caller left out, since their edge has enough newer ones.
    pub fn add_skipped(&mut self, count: u64) {
        self.seen = self.seen.saturating_add(count);
        self.add_evicted(Evicted::Edge, count);
    }

    /// Counts failed records that arrived folded.
    pub fn add_folded(&mut self, count: u64) {
        self.folded = self.folded.saturating_add(count);
    }

    /// Stores failed records of an edge, the oldest first. `now_us`: microseconds since the Unix
    /// epoch.
    pub fn put(
        &mut self,
        edge: &Arc<ResolvedEdge>,
        failed: impl IntoIterator<Item = FailedRecord>,
        now_us: u64,
    ) {
        let slot = self.slot(edge);
        self.append((slot, edge), failed, now_us);
    }

    /// Stores failed records of an edge with a series, whose number is valid for one `generation`.
    /// `name` resolves the number of an edge without stored failures; if it fails, the records are
    /// returned.
    pub(crate) fn put_numbered<F: IntoIterator<Item = FailedRecord>>(
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
        let known = known.and_then(|slot| Some((slot, self.edges.get(slot)?.edge.clone())));
        let (slot, edge) = match known {
            Some(known) => known,
            None => {
                let Some(edge) = name() else { return Err(failed) };
                let slot = self.slot(&edge);
                self.by_number.insert(number.0, slot);
                if let Some(records) = self.edges.get_mut(slot) {
                    records.number = Some(number);
                }
                (slot, edge)
            }
        };
        self.append((slot, &edge), failed, now_us);
        Ok(())
    }

    fn append(
        &mut self,
        (slot, edge): (usize, &Arc<ResolvedEdge>),
        failed: impl IntoIterator<Item = FailedRecord>,
        now_us: u64,
    ) {
        for failed in failed {
            self.seen = self.seen.saturating_add(1);
            self.last = self.last.saturating_add(1).max(now_us);
            let failure = Failure { number: self.last, edge: edge.clone(), failed };
            self.bytes = self.bytes.saturating_add(row_bytes(&failure.failed));
            let position = self.rows.push(self.last, Row { slot, failure });
            if let Some(records) = self.edges.get_mut(slot) {
                records.positions.push_back(position);
            }
            while self.edges.get(slot).is_some_and(|it| it.positions.len() > self.limits.edge_records_max) {
                self.evict(slot, Evicted::Edge);
            }
            self.shrink(Some(slot));
        }
        self.remove_if_empty(slot);
        if self.rows.needs_compaction() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let Self { rows, edges, .. } = self;
        edges.iter_mut().for_each(|(_, records)| records.positions.clear());
        rows.compact(|row, position| {
            if let Some(records) = edges.get_mut(row.slot) {
                records.positions.push_back(position);
            }
        });
    }

    /// Failures with a number above `after`, the oldest first.
    pub fn after(&self, after: u64) -> impl DoubleEndedIterator<Item = &Failure> {
        self.rows.after(after).map(|row| &row.failure)
    }

    /// Returns the newest failure with a number under `number`.
    #[must_use]
    pub fn before(&self, number: u64) -> Option<&Failure> {
        self.rows.before(number).map(|row| &row.failure)
    }

    /// Number of the latest failure.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Number of stored failures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no failure is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// Number of edges with failures.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Approximate memory in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of failed records that arrived with detail.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Number of failed records that arrived folded, without detail.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Number of evicted failures, by reason.
    #[must_use]
    pub fn evicted(&self, why: Evicted) -> u64 {
        self.evicted.get(why as usize).copied().unwrap_or(0)
    }

    fn slot(&mut self, edge: &Arc<ResolvedEdge>) -> usize {
        if let Some(slot) = self.by_edge.get(edge) {
            return *slot;
        }
        self.bytes = self.bytes.saturating_add(edge_bytes(edge));
        let slot =
            self.edges.insert(EdgeRecords { edge: edge.clone(), number: None, positions: VecDeque::new() });
        self.by_edge.insert(edge.clone(), slot);
        slot
    }

    /// Evicts failures until all limits hold. `current`: an edge that stays, even if it is empty.
    fn shrink(&mut self, current: Option<usize>) {
        loop {
            let why = match (self.rows.len() > self.limits.records_max, self.bytes > self.limits.bytes_max) {
                (true, _) => Evicted::Records,
                (false, true) => Evicted::Bytes,
                (false, false) => break,
            };
            let Some(slot) = self.rows.oldest().map(|row| row.slot) else { break };
            self.evict(slot, why);
            if current != Some(slot) {
                self.remove_if_empty(slot);
            }
        }
    }

    /// Evicts the oldest failure of an edge.
    fn evict(&mut self, slot: usize, why: Evicted) {
        let position = self.edges.get_mut(slot).and_then(|records| records.positions.pop_front());
        if let Some(row) = position.and_then(|position| self.rows.remove(position)) {
            self.bytes = self.bytes.saturating_sub(row_bytes(&row.failure.failed));
            self.add_evicted(why, 1);
        }
    }

    fn add_evicted(&mut self, why: Evicted, count: u64) {
        if let Some(evicted) = self.evicted.get_mut(why as usize) {
            *evicted = evicted.saturating_add(count);
        }
    }

    fn remove_if_empty(&mut self, slot: usize) {
        if self.edges.get(slot).is_some_and(|records| records.positions.is_empty()) {
            let EdgeRecords { edge, number, .. } = self.edges.remove(slot);
            self.by_edge.remove(&edge);
            // If the number means another edge by now, that edge is resolved again on its next
            // failure.
            number.and_then(|EdgeId(number)| self.by_number.remove(&number));
            self.bytes = self.bytes.saturating_sub(edge_bytes(&edge));
        }
    }
}

#[cfg(test)]
mod tests;
