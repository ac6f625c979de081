//! Counters of the connections of one server.
//!
//! Invariant: every reason has a counter from the start, so that its first case is an increase.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reason why a connection was not served, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// The limit on connections is reached.
    Full,
    /// The limit on connections of one address is reached.
    AddressFull,
    /// TLS failed: no certificate, an untrusted certificate, plaintext, or a broken handshake.
    Tls,
    /// The first bytes came too late, the next request did, or the client stopped reading.
    Slow,
    /// The client speaks another protocol.
    Protocol,
    /// The client sent more control frames of HTTP/2 than allowed.
    Flood,
    /// The system call `accept` failed.
    Accept,
}

impl Unserved {
    /// Values of label `reason` of `hopscope_grpc_connections_rejected_total` and
    /// `hopscope_http_connections_rejected_total`, in the order of the variants.
    pub const LABELS: [&'static str; 7] =
        ["full", "address_full", "tls", "slow", "protocol", "flood", "accept"];
}

/// Counters and gauge of connections since the start.
#[derive(Debug, Default)]
pub struct ConnectionStats {
    accepted: AtomicU64,
    unserved: [AtomicU64; Unserved::LABELS.len()],
    /// Open connections.
    pub(crate) open: Arc<AtomicU64>,
}

impl ConnectionStats {
    pub(crate) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_unserved(&self, reason: Unserved) {
        if let Some(counter) = self.unserved.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Served connections.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Open connections.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections not served, by reason.
    pub fn unserved_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Unserved::LABELS.into_iter().zip(self.unserved.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}
