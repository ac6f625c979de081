//! Requests in flight, as reported by the proxies.
//!
//! In: the in-flight part of each batch, and the time. Out: counts per proxy, and the edges of
//! long-running requests.
//! Invariant: only the latest batch of an epoch counts, and none after [`SILENT_US_MAX`] without a
//! report. Ages advance between batches. There are at most as many epochs as in the ledger, since
//! only batches that the ledger accepts arrive here, and at most [`LONG_ROWS_MAX`] rows with an
//! edge. As the rows become scarce, an epoch gets at most an eighth of the free ones, so that a few
//! proxies with many rows leave some for the others; the counts of a proxy stay complete.

mod by_proxy;
pub(crate) mod metrics;

use crate::batch::{self, Batch, EpochId, InFlightLong, Reporter, Text};
use crate::identity::ResolvedEdge;
use std::collections::{BTreeMap, HashMap};

/// Expiry of an epoch. A proxy reports every 15 s; after three missed reports its requests are
/// removed.
pub const SILENT_US_MAX: u64 = 45 * 1_000_000;

/// Limit on the rows of long-running requests of all epochs, each with its edge.
pub const LONG_ROWS_MAX: usize = 16_384;

/// Divisor of the free rows for one epoch.
const FREE_DIVISOR: usize = 8;

/// Requests in flight of all epochs.
#[derive(Debug, Clone, Default)]
pub struct InFlightRequests {
    /// Ordered, so that a reader can walk the proxies in parts.
    epochs: BTreeMap<EpochId, EpochReport>,
    /// Rows of long-running requests in all epochs.
    long_rows: usize,
    /// Rows that were dropped at the limit.
    long_rows_dropped: u64,
}

/// Latest report of an epoch.
#[derive(Debug, Clone)]
struct EpochReport {
    sequence: u64,
    last_report_us: u64,
    sides: Vec<ReporterInFlight>,
}

impl EpochReport {
    fn long_rows(&self) -> usize {
        self.sides.iter().map(|side| side.long.len()).sum()
    }
}

#[derive(Debug, Clone)]
struct ReporterInFlight {
    reporter: Reporter,
    sum: InFlight,
    long: Vec<(ResolvedEdge, InFlight)>,
}

/// Statistics of requests in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Number of requests.
    pub count: u64,
    /// Number of requests that are older than their proxy's threshold.
    pub long_count: u64,
    /// Current age of the oldest request in microseconds.
    pub oldest_age_us: u64,
    /// Request body bytes of long-running requests, a few seconds old; 0 in a sum over all
    /// requests.
    pub request_bytes: u64,
    /// Response body bytes of long-running requests, a few seconds old; 0 in a sum over all
    /// requests.
    pub response_bytes: u64,
}

impl InFlight {
    /// Adds other requests.
    pub fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.long_count = self.long_count.saturating_add(other.long_count);
        self.oldest_age_us = self.oldest_age_us.max(other.oldest_age_us);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
    }

    fn aged(self, by_us: u64) -> Self {
        Self { oldest_age_us: self.oldest_age_us.saturating_add(by_us), ..self }
    }
}

impl InFlightRequests {
    /// Replaces the requests in flight of the epoch of a batch. `resolve` returns the edge at an index
    /// of the batch.
    pub fn apply(
        &mut self,
        batch: &Batch,
        mut resolve: impl FnMut(usize) -> Option<ResolvedEdge>,
        now_us: u64,
    ) {
        if self.epochs.get(&batch.epoch_id).is_some_and(|report| report.sequence > batch.sequence) {
            return;
        }
        if let Some(report) = self.epochs.remove(&batch.epoch_id) {
            self.long_rows = self.long_rows.saturating_sub(report.long_rows());
        }
        if batch.in_flight.is_empty() {
            return;
        }
        let mut free = LONG_ROWS_MAX.saturating_sub(self.long_rows) / FREE_DIVISOR;
        let mut sides = Vec::with_capacity(batch.in_flight.len());
        for side in &batch.in_flight {
            let admitted = side.long.len().min(free);
            free = free.saturating_sub(admitted);
            let dropped = side.long.len().saturating_sub(admitted) as u64;
            self.long_rows_dropped = self.long_rows_dropped.saturating_add(dropped);
            let rows = side.long.iter().take(admitted);
            let long = rows.filter_map(|row| Some((resolve(row.edge)?, in_flight_of(row)))).collect();
            sides.push(ReporterInFlight { reporter: side.reporter, sum: sum_of(side), long });
        }
        let report = EpochReport { sequence: batch.sequence, last_report_us: now_us, sides };
        self.long_rows = self.long_rows.saturating_add(report.long_rows());
        self.epochs.insert(batch.epoch_id.clone(), report);
    }

    /// Whether no epoch has requests in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }

    /// Removes epochs without a recent report.
    pub fn expire(&mut self, now_us: u64) {
        let mut expired = 0;
        self.epochs.retain(|_, report| {
            let is_recent = now_us.saturating_sub(report.last_report_us) <= SILENT_US_MAX;
            if !is_recent {
                expired += report.long_rows();
            }
            is_recent
        });
        self.long_rows = self.long_rows.saturating_sub(expired);
    }

    /// Requests in flight by proxy and reporter.
    #[must_use]
    pub fn proxies(&self, now_us: u64) -> BTreeMap<(Text, Reporter), InFlight> {
        let mut proxies: BTreeMap<_, InFlight> = BTreeMap::new();
        for (epoch_id, report) in &self.epochs {
            for side in &report.sides {
                let by_us = now_us.saturating_sub(report.last_report_us);
                proxies.entry((epoch_id.proxy.clone(), side.reporter)).or_default().add(side.sum.aged(by_us));
            }
        }
        proxies
    }

    /// Long-running requests by proxy and edge, summed over the epochs of a proxy.
    #[must_use]
    pub fn long(&self, now_us: u64) -> HashMap<(Text, ResolvedEdge), InFlight> {
        let mut long: HashMap<_, InFlight> = HashMap::new();
        for (epoch_id, report) in &self.epochs {
            let by_us = now_us.saturating_sub(report.last_report_us);
            for (edge, sum) in report.sides.iter().flat_map(|side| &side.long) {
                long.entry((epoch_id.proxy.clone(), edge.clone())).or_default().add(sum.aged(by_us));
            }
        }
        long
    }
}

fn sum_of(side: &batch::InFlight) -> InFlight {
    InFlight {
        count: side.count,
        long_count: side.long_count,
        oldest_age_us: side.oldest_age_us,
        ..InFlight::default()
    }
}

fn in_flight_of(row: &InFlightLong) -> InFlight {
    InFlight {
        count: row.count,
        long_count: row.count,
        oldest_age_us: row.oldest_age_us,
        request_bytes: row.request_bytes,
        response_bytes: row.response_bytes,
    }
}

#[cfg(test)]
mod tests;
