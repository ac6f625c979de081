//! Joins the two records of each hop: the source's and the destination's.
//!
//! In: batches with resolved edges, and the time. Out: per edge the counts of hops by verdict and
//! by the endings of both sides, and the gap between both durations.
//! Invariant: every record has exactly one result: joined, alone, ambiguous, late, evicted, or
//! unjoinable with a reason. At most `pending_max` records are pending, none longer than eight sevenths of the
//! match window.
//! Verdicts account for telemetry that is known to be lost. The order of arrival does not change
//! the pairs of records that arrive within the pairing delay of each other, except for calls that
//! share one request id, overlap in time, and of which one fails.
//!
//! The join key is the hash of the request id and the destination. All attempts of a request carry
//! the same id, and some requests share one. The destination is its canonical service and
//! namespace, since a retry may go to another version, and since the destination's proxy always
//! knows its own service. The source (where the destination's proxy could identify it), the number
//! of the attempt, and the times distinguish calls with one key.
//! Most hops are complete with their second record, since both sides report the same response. All
//! other records of a key are resolved together: pairs one pairing delay after the last record that
//! can be expected of their caller, records without a partner at the end of the match window.

mod ending;
mod verdict;
mod packed_record;
mod table;
mod edge_stats;
mod caller_inference;
mod clock;
mod clock_skew;
mod telemetry_loss;
mod edge_context;
mod prepare;
mod projected;
mod matching;
mod pairing;
mod completion;
mod late_records;
mod expire;
mod stats;
mod settings;
mod snapshot;
pub(crate) mod metrics;

pub use caller_inference::InferredCaller;
pub use edge_context::{EdgeContext, HopEdgeIds, ReporterContext};
pub use edge_stats::{EdgeHops, HopEdge, HopOutcome, WorkloadVersion};
pub use ending::Ending;
pub use settings::Settings;
pub use stats::{Eviction, Stats, Unjoinable};
pub use table::BYTES_PER_PENDING_MAX;
pub use verdict::Verdict;

use crate::batch::{Batch, Text};
use crate::interner::Interner;
use crate::metrics::{ExportedLabels, Projection};
use clock::Clock;
use clock_skew::ClockSkews;
use edge_stats::{EdgeEntry, EdgeKey, EdgeNames};
use late_records::CountedRecords;
use packed_record::{PackedRecord, PendingRecord};
use table::Table;
use telemetry_loss::TelemetryLoss;

/// The side of a hop that a record describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The side of the caller, Envoy's downstream.
    Source,
    /// The side of the called workload, Envoy's upstream.
    Destination,
}

/// Last activity of a destination service or a source workload.
#[derive(Debug, Default)]
struct EndStats {
    /// Time of the last report of loss by one of its proxies; 0 for never.
    last_loss_us: u64,
    /// Time of the last report by one of its proxies in this role; 0 for never.
    last_report_us: u64,
    /// Time of the last report that names it.
    last_seen_us: u64,
}

/// Name and namespace.
type EndName = (Text, Text);

/// Hops by edge, and the records that are pending.
#[derive(Debug)]
pub struct Join {
    limits: Settings,
    table: Table,
    edges: Interner<EdgeKey, EdgeEntry>,
    overflow: EdgeEntry,
    names: EdgeNames,
    projection: Projection<EdgeHops>,
    exported: ExportedLabels,
    proxies: Interner<Text, TelemetryLoss>,
    /// Sources by workload.
    sources: Interner<EndName, EndStats>,
    /// Destinations by canonical service.
    destinations: Interner<EndName, EndStats>,
    clock_skews: ClockSkews,
    /// Records that were counted alone, for late ones.
    counted: CountedRecords,
    stats: Stats,
    clock: Clock,
    evicted_us: u64,
    ticked_us: u64,
    idle_checked_us: u64,
    generation: u64,
    /// Whether the engine wants inferred callers.
    infers_callers: bool,
    inferred_callers: Vec<InferredCaller>,
    /// Buffers that are reused: the prepared records of a batch, and the keys that are due.
    prepared: Vec<PackedRecord>,
    due: Vec<u64>,
}

impl Join {
    /// Returns an empty join.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        let edges_max = limits.edges_max();
        // Each edge adds at most one source and one destination.
        Self {
            table: Table::new(limits.pending_max),
            edges: Interner::new(edges_max),
            overflow: EdgeEntry::default(),
            names: EdgeNames::new(edges_max),
            projection: Projection::default(),
            exported: ExportedLabels::default(),
            proxies: Interner::new(packed_record::PROXIES_MAX - 1),
            sources: Interner::new(edges_max),
            destinations: Interner::new(edges_max),
            clock_skews: ClockSkews::new(),
            counted: CountedRecords::new(limits.pending_max),
            stats: Stats::default(),
            clock: Clock::default(),
            evicted_us: 0,
            ticked_us: 0,
            idle_checked_us: 0,
            generation: 0,
            infers_callers: false,
            inferred_callers: Vec::new(),
            prepared: Vec::new(),
            due: Vec::new(),
            limits,
        }
        .exporting(ExportedLabels::default())
    }

    /// Applies other limits, except `pending_max`, which sizes the table. Current entries stay.
    pub fn limit(&mut self, limits: Settings) {
        let edges_max = limits.edges_max();
        self.edges.limit(edges_max);
        self.names.limit(edges_max);
        self.sources.limit(edges_max);
        self.destinations.limit(edges_max);
        self.generation += 1;
        let pending_max = std::mem::replace(&mut self.limits, limits).pending_max;
        self.limits.pending_max = pending_max;
    }

    /// Applies the records of a batch that is not a duplicate. `contexts` has one entry per edge of
    /// the batch, by its index; `None` for an edge without records. `now_us`: microseconds since
    /// the Unix epoch.
    pub fn apply(&mut self, batch: &Batch, contexts: &[Option<EdgeContext>], now_us: u64) {
        self.match_all(batch, contexts, now_us);
    }

    /// Resolves the records that are due, and removes idle edges, proxies and ends. Call it several
    /// times a second; each pending record is checked once a second.
    pub fn tick(&mut self, now_us: u64) {
        const SWEEP_US: u64 = 1_000_000;
        const EXPIRE_US: u64 = 60 * 1_000_000;
        /// Prefetch distance, in keys that are due.
        const AHEAD: usize = 16;
        let now_us = self.clock.advance(now_us);
        // The first tick has no predecessor, so no time has passed.
        let elapsed_us = if self.ticked_us == 0 { 0 } else { now_us.saturating_sub(self.ticked_us) };
        self.ticked_us = now_us;
        let mut due = std::mem::take(&mut self.due);
        due.clear();
        let share = elapsed_us.min(SWEEP_US) as u128 * self.table.buckets() as u128 / SWEEP_US as u128;
        let count = usize::try_from(share).unwrap_or(usize::MAX).saturating_add(1);
        self.table.sweep(count, PendingRecord::tick(now_us), &mut due);
        for (index, key) in due.iter().enumerate() {
            if let Some(next) = due.get(index + AHEAD) {
                self.table.prefetch(*next);
            }
            self.resolve(*key, now_us);
        }
        self.due = due;
        self.counted.expire(self.limits.wait_us_max(), now_us);
        if now_us.saturating_sub(self.idle_checked_us) > EXPIRE_US {
            self.idle_checked_us = now_us;
            self.forget_idle(now_us);
        }
    }

    /// Whether records are joined.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.limits.enabled
    }

    /// Edges with their hops, in no order.
    pub fn edges(&self) -> impl Iterator<Item = (HopEdge, &EdgeHops)> {
        self.edges.iter().filter_map(|(key, entry)| Some((self.names.name(*key)?, &entry.hops)))
    }

    /// Edges in a range of numbers, with their hops.
    pub fn edges_in(&self, numbers: std::ops::Range<usize>) -> impl Iterator<Item = (HopEdge, &EdgeHops)> {
        let some = self.edges.range(numbers);
        some.filter_map(|(key, entry)| Some((self.names.name(*key)?, &entry.hops)))
    }

    /// Exclusive upper bound of the edge numbers.
    #[must_use]
    pub fn edges_end(&self) -> usize {
        self.edges.end()
    }

    /// Hops of the edges above `edges_max`, counted together.
    #[must_use]
    pub fn overflow(&self) -> &EdgeHops {
        &self.overflow.hops
    }

    /// Number of pending records.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.table.len()
    }

    /// Memory of the pending records in bytes, with spare capacity.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Counters of all records by result.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Number of proxy pairs with compared clocks, and the largest skew in microseconds.
    #[must_use]
    pub fn clock_skew(&self) -> (usize, u64) {
        self.clock_skews.summary()
    }

    fn forget_idle(&mut self, now_us: u64) {
        let since_us = now_us.saturating_sub(self.limits.idle_us_max());
        self.remove_idle_exported(since_us);
        let mut gone = self.edges.retain(|entry| entry.last_seen_us >= since_us);
        gone |= self.proxies.retain(|losses| losses.last_seen_us >= since_us);
        gone |= self.sources.retain(|end| end.last_seen_us >= since_us);
        gone |= self.destinations.retain(|end| end.last_seen_us >= since_us);
        if gone {
            self.generation += 1;
            self.names.retain(self.edges.iter().map(|(key, _)| *key));
            self.edges.order_vacant();
            self.proxies.order_vacant();
            self.sources.order_vacant();
            self.destinations.order_vacant();
        }
    }
}

#[cfg(test)]
mod tests;
