//! Counters of the hops of one edge.
//!
//! In: verdicts with both endings, and gaps. Out: counts.
//! Invariant: the outcomes add up to the hops of the edge; verdict counts and the matrix of endings
//! are two views of one table.

use super::ending::Ending;
use super::verdict::Verdict;
use crate::batch::Text;
use crate::histogram::durations::Durations;
use crate::identity::{End, ResolvedEdge};
use crate::interner::Interner;
use std::sync::Arc;

/// One end of an edge, at the granularity of hop counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkloadVersion {
    /// Name of the workload, such as a Deployment.
    pub workload: Text,
    /// Namespace of the workload.
    pub namespace: Text,
    /// Version of the workload.
    pub version: Text,
}

impl WorkloadVersion {
    fn of(end: &End) -> Self {
        Self {
            workload: end.workload.clone(),
            namespace: end.namespace.clone(),
            version: end.version.clone(),
        }
    }
}

/// Source, destination and service of a hop. The names are those that the source reports; for hops
/// without a source record, those of the destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HopEdge {
    /// The calling workload.
    pub source: Arc<WorkloadVersion>,
    /// The called workload.
    pub destination: Arc<WorkloadVersion>,
    /// Host of the service that the request was for.
    pub service: Text,
}

/// Interned [`HopEdge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct EdgeKey {
    source: u32,
    destination: u32,
    service: u32,
}

/// Interned ends and services of all edges, with a mark for those in use.
#[derive(Debug)]
pub(super) struct EdgeNames {
    workloads: Interner<Arc<WorkloadVersion>, bool>,
    services: Interner<Text, bool>,
}

impl EdgeNames {
    /// Capacity for the names of `edges_max` edges.
    pub(super) fn new(edges_max: usize) -> Self {
        Self { workloads: Interner::new(edges_max.saturating_mul(2)), services: Interner::new(edges_max) }
    }

    /// Applies another limit.
    pub(super) fn limit(&mut self, edges_max: usize) {
        self.workloads.limit(edges_max.saturating_mul(2));
        self.services.limit(edges_max);
    }

    /// Interns the names of an edge; `None` if one of them exceeds the capacity.
    pub(super) fn key(&mut self, edge: &ResolvedEdge) -> Option<EdgeKey> {
        let mut workload = |end: &End| self.workloads.number(&Arc::new(WorkloadVersion::of(end)), || true);
        Some(EdgeKey {
            source: workload(&edge.source)?,
            destination: workload(&edge.destination)?,
            service: self.services.number(&edge.service.host, || true)?,
        })
    }

    /// Interns the names of a [`HopEdge`]; `None` if one of them exceeds the capacity.
    pub(super) fn key_of(&mut self, edge: &HopEdge) -> Option<EdgeKey> {
        Some(EdgeKey {
            source: self.workloads.number(&edge.source, || true)?,
            destination: self.workloads.number(&edge.destination, || true)?,
            service: self.services.number(&edge.service, || true)?,
        })
    }

    /// Returns the names of an edge.
    pub(super) fn name(&self, key: EdgeKey) -> Option<HopEdge> {
        Some(HopEdge {
            source: self.workloads.key(key.source)?.clone(),
            destination: self.workloads.key(key.destination)?.clone(),
            service: self.services.key(key.service)?.clone(),
        })
    }

    /// Removes names that none of these edges uses.
    pub(super) fn retain(&mut self, keys: impl Iterator<Item = EdgeKey>) {
        self.workloads.values_mut().for_each(|used| *used = false);
        self.services.values_mut().for_each(|used| *used = false);
        for EdgeKey { source, destination, service } in keys {
            for workload in [source, destination] {
                self.workloads.get_mut(workload).into_iter().for_each(|used| *used = true);
            }
            self.services.get_mut(service).into_iter().for_each(|used| *used = true);
        }
        self.workloads.retain(|used| *used);
        self.services.retain(|used| *used);
    }
}

/// Endings of both sides and the verdict; `None` for a side without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopOutcome {
    /// Verdict of the hop.
    pub verdict: Verdict,
    /// Ending reported by the source.
    pub source: Option<Ending>,
    /// Ending reported by the destination.
    pub destination: Option<Ending>,
}

/// A [`HopOutcome`] in three bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct PackedOutcome([u8; 3]);

impl PackedOutcome {
    const NONE: u8 = u8::MAX;

    fn of(outcome: HopOutcome) -> Self {
        let number = |ending: Option<Ending>| ending.map_or(Self::NONE, Ending::number);
        Self([outcome.verdict.number(), number(outcome.source), number(outcome.destination)])
    }

    fn outcome(self) -> HopOutcome {
        let Self([verdict, source, destination]) = self;
        let ending = |number| (number != Self::NONE).then(|| Ending::from_number(number));
        HopOutcome {
            verdict: Verdict::from_number(verdict),
            source: ending(source),
            destination: ending(destination),
        }
    }
}

/// Hop counters of one edge.
#[derive(Debug, Clone, Default)]
pub struct EdgeHops {
    /// First outcome, the only one of most edges, and its count.
    first: PackedOutcome,
    first_count: u64,
    others: Option<Box<Others>>,
    pub(super) gap: Durations,
    pub(super) gap_negative: u64,
    /// Hops with records of both sides; saturates.
    pub(super) joined: u32,
    /// Hops with verdict `peer_not_instrumented`; saturates.
    pub(super) peer_not_instrumented: u32,
    /// Time of the first record, seconds since the Unix epoch: half the size of microseconds.
    pub(super) created_s: u32,
}

#[derive(Debug, Clone, Default)]
struct Others(Vec<(PackedOutcome, u64)>);

impl EdgeHops {
    /// Outcomes with their counts.
    pub fn outcomes(&self) -> impl Iterator<Item = (HopOutcome, u64)> + '_ {
        let first = std::iter::once((self.first, self.first_count));
        let others = self.others.iter().flat_map(|others| others.0.iter().copied());
        let outcomes = first.chain(others).filter(|(_, count)| *count > 0);
        outcomes.map(|(outcome, count)| (outcome.outcome(), count))
    }

    /// Number of hops.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.outcomes().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Number of hops with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        let cells = self.outcomes().filter(|(outcome, _)| outcome.verdict == verdict);
        cells.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Number of hops whose sides disagree.
    #[must_use]
    pub fn disagreements(&self) -> u64 {
        let cells = self.outcomes().filter(|(outcome, _)| outcome.verdict.is_disagreement());
        cells.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Histogram of source duration minus destination duration, for hops with a confident pairing
    /// and a response: network, TLS, and queueing in both proxies.
    #[must_use]
    pub fn gap(&self) -> &Durations {
        &self.gap
    }

    /// Hops whose destination took longer than the source; their gap counts as 0.
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
    pub(super) fn add(&mut self, outcome: HopOutcome) {
        self.add_times(outcome, 1);
    }

    /// Counts `times` hops with one outcome.
    #[inline]
    pub(super) fn add_times(&mut self, outcome: HopOutcome, times: u64) {
        let packed = PackedOutcome::of(outcome);
        if self.first_count == 0 || self.first == packed {
            self.first = packed;
            self.first_count = self.first_count.saturating_add(times);
            return;
        }
        let Others(others) = &mut **self.others.get_or_insert_default();
        match others.iter_mut().find(|(known, _)| *known == packed) {
            Some((_, count)) => *count = count.saturating_add(times),
            None => {
                // Exact growth, since few edges have more than one further outcome.
                others.reserve_exact(1);
                others.push((packed, times));
            }
        }
    }

    /// Adds the hops of another edge. The earlier creation time stays.
    pub(super) fn add_hops(&mut self, other: &Self) {
        other.outcomes().for_each(|(outcome, count)| self.add_times(outcome, count));
        self.gap.merge(&other.gap);
        self.gap_negative = self.gap_negative.saturating_add(other.gap_negative);
        self.joined = self.joined.saturating_add(other.joined);
        self.peer_not_instrumented = self.peer_not_instrumented.saturating_add(other.peer_not_instrumented);
        let created = [self.created_s, other.created_s].into_iter().filter(|created_s| *created_s > 0);
        self.created_s = created.min().unwrap_or(0);
    }

    /// Returns a value that depends on the counters' memory, to load it.
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
const _: () = assert!(size_of::<EdgeEntry>() <= 96, "an entry takes more memory than before");

/// Stands for no number.
pub(super) const NONE: u32 = u32::MAX;

/// Hop counters of an edge, and the state that the join keeps with them.
#[derive(Debug)]
pub(super) struct EdgeEntry {
    /// Arrival of the latest record.
    pub(super) last_seen_us: u64,
    pub(super) hops: EdgeHops,
    /// Numbers of the source and of the destination, or [`NONE`].
    pub(super) source: u32,
    pub(super) destination: u32,
}

impl Default for EdgeEntry {
    fn default() -> Self {
        Self { last_seen_us: 0, hops: EdgeHops::default(), source: NONE, destination: NONE }
    }
}
