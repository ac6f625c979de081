//! Counters and gauges of the gRPC server.
//!
//! Invariant: every reason has a counter from the start, so that its first case is an increase.

use hopscope_core::intake::access_log::Skip;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reason why a connection was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// The limit on connections is reached.
    Full,
    /// The limit on connections of one address is reached.
    AddressFull,
    /// TLS failed: no certificate, an untrusted certificate, plaintext, or a broken handshake.
    Tls,
    /// The first HTTP/2 bytes came too late.
    Slow,
    /// The client does not speak HTTP/2.
    Protocol,
    /// The system call `accept` failed.
    Accept,
}

impl Unserved {
    /// Values of label `reason` of `hopscope_grpc_connections_rejected_total`, in the order of the
    /// variants.
    pub const LABELS: [&'static str; 6] = ["full", "address_full", "tls", "slow", "protocol", "accept"];
}

/// Counters and gauges since the start.
#[derive(Debug, Default)]
pub struct GrpcStats {
    connections: AtomicU64,
    unserved: [AtomicU64; Unserved::LABELS.len()],
    /// Open connections.
    pub(crate) open: Arc<AtomicU64>,
    /// Bytes of messages that are read and not handled yet.
    pub(crate) bytes: Arc<AtomicU64>,
    /// Reports that are being read or handled.
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
    pub(crate) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_unserved(&self, reason: Unserved) {
        if let Some(counter) = self.unserved.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

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

    /// Served connections.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections not served, by reason.
    pub fn unserved_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Unserved::LABELS.into_iter().zip(self.unserved.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }

    /// Open connections; bytes, reports and streams in flight.
    #[must_use]
    pub fn in_flight(&self) -> [u64; 4] {
        [&self.open, &self.bytes, &self.reports, &self.streams].map(|gauge| gauge.load(Ordering::Relaxed))
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
