//! The two sides of each hop, joined.
//!
//! In: reports, with their edges named, and the time. Out: per edge what the two sides say together: verdicts, the matrix
//! of both endings, and the gap between both durations. Always holds: every record has exactly one fate (joined, alone,
//! ambiguous, evicted, or not joinable and why); which records belong together does not depend on the order in which they
//! come, as long as they come within [`Settings::pairing_delay_ms`] of each other, but for calls of one id that overlap in time
//! while one of them fails; verdicts are net of telemetry that is known to be lost; at most [`Settings::pending_max`] records
//! wait, none longer than [`Settings::window_ms`].
//!
//! Records belong together by the hash of the request id, which every attempt carries and a few requests share, and by the
//! called end (canonical service and namespace, since a retry may go to another version, and since the called side always
//! knows itself). The caller, where the called side could name it, the number of the attempt, and time tell the calls under
//! one id apart.
//! Most hops end as soon as their second record comes, since both tell the same answer; all else is settled together,
//! a moment after the last record that can be expected, or at the end of the window.

mod ending;
mod verdict;
mod packed_record;
mod table;
mod edge_stats;
mod caller_inference;
mod clock_skew;
mod telemetry_loss;
mod edge_context;
mod prepare;
mod matching;
mod pairing;
mod expire;
mod stats;
mod snapshot;
pub(crate) mod metrics;
mod settings;

pub use caller_inference::Caller;
pub use edge_context::{Known, Line, Named, Tells};
pub use edge_stats::{Cell, EdgeHops, HopEdge, Place};
pub use ending::Ending;
pub use settings::Settings;
pub use stats::{Eviction, Stats, Unjoinable};
pub use table::BYTES_PER_OPEN_MAX;
pub use verdict::Verdict;

use crate::batch::{Batch, Text};
use crate::interner::Registry;
use clock_skew::Skews;
use edge_stats::{Entry, Key, Shared};
use packed_record::{Half, Words};
use table::Table;
use telemetry_loss::Losses;

/// Which side of a hop a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The caller's.
    Source,
    /// That of whom was called.
    Destination,
}

/// What is known of a called service or a calling workload.
#[derive(Debug, Default)]
struct EndBook {
    /// When one of its proxies told a loss last; 0 never.
    lost_us: u64,
    /// When one of its proxies told something in this role last; 0 never.
    told_us: u64,
    /// When it was named last.
    last_us: u64,
}

/// Name and namespace.
type EndName = (Text, Text);

/// All hops that are known, and the records that wait for their other side.
#[derive(Debug)]
pub struct Join {
    limits: Settings,
    table: Table,
    edges: Registry<Key, Entry>,
    overflow: Entry,
    shared: Shared,
    proxies: Registry<Text, Losses>,
    /// Who calls, by workload.
    callers: Registry<EndName, EndBook>,
    /// Who is called, by canonical service.
    called: Registry<EndName, EndBook>,
    skews: Skews,
    stats: Stats,
    evicted_us: u64,
    ticked_us: u64,
    expired_us: u64,
    generation: u64,
    /// Whether anybody wants to know who called.
    seeks_callers: bool,
    callers_found: Vec<Caller>,
    /// Records of a batch on their way into the table, and keys that are due: kept for their memory.
    coming: Vec<Words>,
    due: Vec<u64>,
}

impl Join {
    /// An empty join.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        let edges_max = limits.edges_max();
        // Each edge brings at most one new end of each kind.
        Self {
            table: Table::new(limits.pending_max),
            edges: Registry::new(edges_max),
            overflow: Entry::default(),
            shared: Shared::new(edges_max),
            proxies: Registry::new(packed_record::PROXIES_MAX - 1),
            callers: Registry::new(edges_max),
            called: Registry::new(edges_max),
            skews: Skews::new(),
            stats: Stats::default(),
            evicted_us: 0,
            ticked_us: 0,
            expired_us: 0,
            generation: 0,
            seeks_callers: false,
            callers_found: Vec::new(),
            coming: Vec::new(),
            due: Vec::new(),
            limits,
        }
    }

    /// Other bounds from now on, but for `pending_max`, which the table was made for. What is held already is kept.
    pub fn limit(&mut self, limits: Settings) {
        let edges_max = limits.edges_max();
        self.edges.limit(edges_max);
        self.shared.limit(edges_max);
        self.callers.limit(edges_max);
        self.called.limit(edges_max);
        self.generation += 1;
        let pending_max = std::mem::replace(&mut self.limits, limits).pending_max;
        self.limits.pending_max = pending_max;
    }

    /// Takes the records of a batch that was not taken before; `lines`: one for each edge that has some, by its place.
    /// `now_us`: microseconds since the Unix epoch.
    pub fn take(&mut self, batch: &Batch, lines: &[Option<Line>], now_us: u64) {
        self.meet_all(batch, lines, now_us);
    }

    /// Lets time pass: judges what has waited long enough, and forgets what has been silent for long. Call it some times
    /// a second; each record is looked at once a second.
    pub fn tick(&mut self, now_us: u64) {
        const SWEEP_US: u64 = 1_000_000;
        /// Deadlines are told apart within an hour.
        const PAUSE_US_MAX: u64 = 3_600 * 1_000_000;
        const EXPIRE_US: u64 = 60 * 1_000_000;
        /// Buckets of keys that are due are fetched so many keys before.
        const AHEAD: usize = 16;
        // Before the first time there was no pause.
        let elapsed_us = if self.ticked_us == 0 { 0 } else { now_us.saturating_sub(self.ticked_us) };
        self.ticked_us = now_us;
        let mut due = std::mem::take(&mut self.due);
        due.clear();
        if elapsed_us > PAUSE_US_MAX {
            due.extend(self.table.keys());
        } else {
            let share = elapsed_us.min(SWEEP_US) as u128 * self.table.buckets() as u128 / SWEEP_US as u128;
            let count = usize::try_from(share).unwrap_or(usize::MAX).saturating_add(1);
            self.table.sweep(count, Half::tick(now_us), &mut due);
        }
        for (place, key) in due.iter().enumerate() {
            if let Some(coming) = due.get(place + AHEAD) {
                self.table.prefetch(*coming);
            }
            self.settle(*key, elapsed_us > PAUSE_US_MAX, now_us);
        }
        self.due = due;
        if now_us.saturating_sub(self.expired_us) > EXPIRE_US {
            self.expired_us = now_us;
            self.expire(now_us);
        }
    }

    /// Whether anything is joined at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.limits.enabled
    }

    /// Every edge with its hops, in no order.
    pub fn edges(&self) -> impl Iterator<Item = (HopEdge, &EdgeHops)> {
        self.edges.iter().filter_map(|(key, entry)| Some((self.shared.name(*key)?, &entry.book)))
    }

    /// Edges whose numbers are in a range, with their hops.
    pub fn some(&self, numbers: std::ops::Range<usize>) -> impl Iterator<Item = (HopEdge, &EdgeHops)> {
        let some = self.edges.range(numbers);
        some.filter_map(|(key, entry)| Some((self.shared.name(*key)?, &entry.book)))
    }

    /// Above the highest number of an edge.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.edges.end()
    }

    /// The hops of edges that found no room.
    #[must_use]
    pub fn overflow(&self) -> &EdgeHops {
        &self.overflow.book
    }

    /// Records that wait for their other side.
    #[must_use]
    pub fn open(&self) -> usize {
        self.table.len()
    }

    /// Bytes that those take, with the room that is kept for more.
    #[must_use]
    pub fn open_bytes(&self) -> usize {
        self.table.bytes()
    }

    /// What became of all records.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Pairs of proxies whose clocks were compared, and the largest difference, microseconds.
    #[must_use]
    pub fn clock_skew(&self) -> (usize, u64) {
        self.skews.summary()
    }

    fn expire(&mut self, now_us: u64) {
        let since_us = now_us.saturating_sub(self.limits.idle_us_max());
        let Self { edges, stats, .. } = self;
        let mut gone = edges.retain(|entry| {
            let stays = entry.last_us >= since_us;
            if !stays {
                stats.expire(&entry.book);
            }
            stays
        });
        gone |= self.proxies.retain(|losses| losses.last_us >= since_us);
        gone |= self.callers.retain(|end| end.last_us >= since_us);
        gone |= self.called.retain(|end| end.last_us >= since_us);
        if gone {
            self.generation += 1;
            self.shared.keep(self.edges.iter().map(|(key, _)| *key));
        }
    }
}

#[cfg(test)]
mod tests;
