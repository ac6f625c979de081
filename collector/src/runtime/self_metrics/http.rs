//! Counters of the HTTP server.
//!
//! Invariant: every reason has a counter from the start, so that its first case is an increase.

use super::connections::ConnectionStats;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reason why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many answers are being rendered.
    Busy,
    /// No Host header, two of them, or a name that is not allowed.
    Host,
    /// The answer took too long.
    Slow,
}

impl Refused {
    /// Values of label `reason` of `hopscope_http_requests_rejected_total`, in the order of the
    /// variants.
    pub const LABELS: [&'static str; 3] = ["busy", "host", "slow"];
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct HttpStats {
    connections: ConnectionStats,
    refused: [AtomicU64; Refused::LABELS.len()],
}

impl HttpStats {
    pub(crate) fn count_refused(&self, reason: Refused) {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connections.
    #[must_use]
    pub fn connections(&self) -> &ConnectionStats {
        &self.connections
    }

    /// Refused requests, by reason.
    pub fn refused_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refused::LABELS.into_iter().zip(self.refused.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}
