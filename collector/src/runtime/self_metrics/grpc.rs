//! Counters and gauges of the gRPC server.
//!
//! Invariant: every reason has a counter from the start, so that its first case is an increase.

use super::connections::ConnectionStats;
use hopscope_core::intake::access_log::Skip;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and gauges since the start.
#[derive(Debug, Default)]
pub struct GrpcStats {
    connections: ConnectionStats,
    /// Bytes of messages that are read and not handled yet.
    pub(crate) bytes: Arc<AtomicU64>,
    /// Reports whose message is incomplete.
    pub(crate) receiving: Arc<AtomicU64>,
    /// Reports whose message is complete.
    pub(crate) reports: Arc<AtomicU64>,
    /// Long-lived streams.
    pub(crate) streams: Arc<AtomicU64>,
    entries: AtomicU64,
    lost: AtomicU64,
    skipped: [AtomicU64; Skip::LABELS.len()],
    reloads: AtomicU64,
    reload_failures: AtomicU64,
    certificate_ends_s: AtomicU64,
}

impl GrpcStats {
    pub(crate) fn count_log_entries(&self, entries: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
    }

    pub(crate) fn count_lost_entries(&self, entries: u64) {
        self.lost.fetch_add(entries, Ordering::Relaxed);
    }

    pub(crate) fn count_skipped_entries(&self, counts: &[u64; Skip::LABELS.len()]) {
        for (counter, count) in self.skipped.iter().zip(counts) {
            counter.fetch_add(*count, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_certificate_load(&self, certificate_ends_s: u64) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.certificate_ends_s.store(certificate_ends_s, Ordering::Relaxed);
    }

    pub(crate) fn count_certificate_failure(&self) {
        self.reload_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections.
    #[must_use]
    pub fn connections(&self) -> &ConnectionStats {
        &self.connections
    }

    /// Bytes, incomplete reports, complete reports, and streams in flight.
    #[must_use]
    pub fn in_flight(&self) -> [u64; 4] {
        [&self.bytes, &self.receiving, &self.reports, &self.streams]
            .map(|gauge| gauge.load(Ordering::Relaxed))
    }

    /// Access log entries that became accepted records, and those that became rejected ones.
    #[must_use]
    pub fn entries(&self) -> (u64, u64) {
        (self.entries.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed))
    }

    /// Access log entries without a record, by reason.
    pub fn skipped_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Skip::LABELS.into_iter().zip(self.skipped.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }

    /// Loads of the certificate, the first included, and failed loads.
    #[must_use]
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.reload_failures.load(Ordering::Relaxed))
    }

    /// End of validity of the certificate in use, seconds since the Unix epoch; `None` without TLS.
    #[must_use]
    pub fn certificate_ends_s(&self) -> Option<u64> {
        Some(self.certificate_ends_s.load(Ordering::Relaxed)).filter(|ends_s| *ends_s > 0)
    }
}
