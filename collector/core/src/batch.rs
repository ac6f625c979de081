//! A validated batch: everything that one proxy reported in one message.
//!
//! Out: the domain types that all stages share.
//! Invariant: every index of the wire format is resolved, every count and time is within its
//! limit, and a batch stores each text once. An invalid edge or outcome has a placeholder, which no
//! other row refers to.

pub(crate) mod edge_table;
pub mod flags;
mod details;
mod edge;
#[cfg(any(test, feature = "example"))]
mod example;
mod identity;
mod outcome;
mod rejected_rows;
mod request_id;
mod stats;
mod totals;

pub use crate::histogram::FoldedDurations;
pub use crate::snapshot::times::Times;
pub use crate::text::Text;
pub use details::{Detail, Details};
pub use edge::{Edge, Evidence, Peer, Reporter, Service};
pub use edge_table::{EdgeFingerprint, Edges};
pub use identity::{Identity, Source};
pub use outcome::{Outcome, Protocol};
pub use rejected_rows::{RejectedRows, RowCounts, RowReason};
pub use request_id::request_id_hash;
pub use totals::{DropReason, EpochId, Totals};

/// One batch. Proxy, epoch and sequence identify a batch permanently.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Proxy and epoch that report.
    pub epoch_id: EpochId,
    /// Number within the epoch, from 1.
    pub sequence: u64,
    /// Delivery attempt, from 1. More than 1 when an earlier attempt, possibly to another
    /// collector, was not acknowledged.
    pub attempt: u32,
    /// Identity of the proxy; absent in most batches.
    pub identity: Option<Identity>,
    /// Running totals of the epoch up to and including this batch.
    pub totals: Totals,
    /// Edge table, without duplicates.
    pub edges: Edges,
    /// Outcome table, without duplicates.
    pub outcomes: Vec<Outcome>,
    /// Envoy's explanations of the outcomes that have one.
    pub details: Details,
    /// Records of single requests; TCP connections are in [`Batch::connections`].
    pub records: Vec<Record>,
    /// Folded requests.
    pub folds: Vec<Fold>,
    /// Requests in flight, one entry per reporter.
    pub in_flight: Vec<InFlight>,
    /// TCP connections.
    pub connections: Connections,
    /// New body bytes of requests that are still in flight (streams).
    pub streams: Vec<Flow>,
    /// Message counts of gRPC requests in this batch.
    pub messages: Vec<Messages>,
    /// Rows that break a rule. Nothing else of the batch contains or refers to them.
    pub rejected: RejectedRows,
    /// Requests whose time was outside the limits, and was moved into them.
    pub moved: u64,
}

/// Message counts of the gRPC requests of one edge and outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Index into [`Batch::outcomes`].
    pub outcome: usize,
    /// Messages from clients to servers.
    pub request: u64,
    /// Messages from servers to clients.
    pub response: u64,
}

impl Batch {
    /// Returns the number of requests and closed connections that have a record, and the number
    /// of folded ones, without rejected rows.
    #[must_use]
    pub fn content(&self) -> (u64, u64) {
        let Connections { closed, folds, .. } = &self.connections;
        let single = self.records.len().saturating_add(closed.len()) as u64;
        let folds = self.folds.iter().chain(folds);
        (single, folds.fold(0, |sum, fold| sum.saturating_add(fold.count)))
    }
}

/// TCP connections of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Connections {
    /// Records of closed connections. Their byte counts exclude bytes of earlier batches.
    pub closed: Vec<Record>,
    /// Folded closed connections.
    pub folds: Vec<Fold>,
    /// New counts of open connections.
    pub open: Vec<Flow>,
    /// For each index of [`Batch::outcomes`]: whether an earlier batch counted the connections
    /// with this outcome as opened. A missing entry means no.
    pub continued: Vec<bool>,
}

impl Connections {
    /// Whether the batch has no connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.folds.is_empty() && self.open.is_empty()
    }
}

/// Increments of the open connections, or of the streams, of one edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Connections that no earlier batch counted.
    pub opened: u64,
    /// New bytes from clients.
    pub request_bytes: u64,
    /// New bytes to clients.
    pub response_bytes: u64,
}

/// Requests in flight as seen by one reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// Side of the call that reports.
    pub reporter: Reporter,
    /// Requests in flight; never 0.
    pub count: u64,
    /// Age of the oldest request.
    pub oldest_age_us: u64,
    /// Requests older than the proxy's threshold; at most `count`.
    pub long_count: u64,
    /// Requests older than the threshold by edge. Their counts add up to at most `long_count`.
    pub long: Vec<InFlightLong>,
}

/// Long-running requests in flight of one edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlightLong {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Number of requests; never 0.
    pub count: u64,
    /// Age of the oldest request.
    pub oldest_age_us: u64,
    /// Request body bytes up to the last refresh, a few seconds ago.
    pub request_bytes: u64,
    /// Response body bytes up to the last refresh.
    pub response_bytes: u64,
}

/// One finished request, or one closed connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Index into [`Batch::outcomes`].
    pub outcome: usize,
    /// Start in microseconds since the Unix epoch, by the proxy's clock.
    pub start_us: u64,
    /// Duration; less than 7 days.
    pub duration_us: u64,
    /// Request headers and body.
    pub request_bytes: u64,
    /// Response headers and body.
    pub response_bytes: u64,
    /// Hash of the request id, equal on both sides of a hop; 0 without a request id. Distinct
    /// requests can share a hash.
    pub request_id_hash: u32,
    /// At a source: number of upstream attempts, 0 for none or unknown. At a destination: attempt
    /// number of the caller, 0 for unknown.
    pub attempts: u32,
}

/// Folded requests of one edge and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Index into [`Batch::outcomes`].
    pub outcome: usize,
    /// Number of requests; never 0.
    pub count: u64,
    /// Histogram of the durations; its counts add up to `count`.
    pub durations: FoldedDurations,
    /// Request bytes, summed.
    pub request_bytes_sum: u64,
    /// Response bytes, summed.
    pub response_bytes_sum: u64,
}
