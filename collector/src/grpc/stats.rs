//! What the gRPC door counts.
//!
//! In: events. Out: counters and gauges. Always holds: every reason has a counter from the start, so that its first case
//! is an increase.

use hopscope_core::intake::access_log::Skip;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// There are as many as are allowed.
    Full,
    /// There are as many from its address as are allowed.
    AddressFull,
    /// TLS failed: no certificate, one that nobody here trusts, plaintext, or a broken handshake.
    Tls,
    /// It took too long to its first HTTP/2 bytes.
    Slow,
    /// It does not speak HTTP/2.
    Protocol,
    /// The system did not hand it over.
    Accept,
}

impl Unserved {
    /// Every value of label `reason` of `hopscope_grpc_connections_rejected_total`, in the order of the variants.
    pub const LABELS: [&'static str; 6] = ["full", "address_full", "tls", "slow", "protocol", "accept"];
}

/// Counters and gauges since the start.
#[derive(Debug, Default)]
pub struct GrpcStats {
    connections: AtomicU64,
    unserved: [AtomicU64; Unserved::LABELS.len()],
    /// Connections that are open.
    pub(super) open: Arc<AtomicU64>,
    /// Bytes of messages that are read and not yet handled.
    pub(super) bytes: Arc<AtomicU64>,
    /// Reports that are being read or handled.
    pub(super) reports: Arc<AtomicU64>,
    /// Streams without end.
    pub(super) streams: Arc<AtomicU64>,
    entries: AtomicU64,
    lost: AtomicU64,
    skipped: [AtomicU64; Skip::LABELS.len()],
    reloads: AtomicU64,
    reload_failures: AtomicU64,
    certificate_ends_s: AtomicU64,
}

impl GrpcStats {
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unserved(&self, why: Unserved) {
        if let Some(counter) = self.unserved.get(why as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn logged(&self, entries: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, entries: u64) {
        self.lost.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn skipped(&self, counts: &[u64; Skip::LABELS.len()]) {
        for (counter, count) in self.skipped.iter().zip(counts) {
            counter.fetch_add(*count, Ordering::Relaxed);
        }
    }

    pub(super) fn reloaded(&self, certificate_ends_s: u64) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.certificate_ends_s.store(certificate_ends_s, Ordering::Relaxed);
    }

    pub(super) fn reload_failed(&self) {
        self.reload_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that were served.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that were not served, by reason.
    pub fn unserved_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Unserved::LABELS.into_iter().zip(self.unserved.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }

    /// Open connections; bytes, reports and streams in flight.
    #[must_use]
    pub fn in_flight(&self) -> [u64; 4] {
        [&self.open, &self.bytes, &self.reports, &self.streams].map(|gauge| gauge.load(Ordering::Relaxed))
    }

    /// Entries of access logs that became records and were taken, and those that were not taken.
    #[must_use]
    pub fn entries(&self) -> (u64, u64) {
        (self.entries.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed))
    }

    /// Entries that became no record, by reason.
    pub fn skipped_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Skip::LABELS.into_iter().zip(self.skipped.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }

    /// How often the certificate was loaded, the first time included, and how often that failed.
    #[must_use]
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.reload_failures.load(Ordering::Relaxed))
    }

    /// When the certificate in use ends, seconds since the Unix epoch; `None` without TLS.
    #[must_use]
    pub fn certificate_ends_s(&self) -> Option<u64> {
        Some(self.certificate_ends_s.load(Ordering::Relaxed)).filter(|ends_s| *ends_s > 0)
    }
}
