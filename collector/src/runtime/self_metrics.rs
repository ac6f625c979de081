//! Counters and gauges of the collector about itself.
//!
//! Invariant: every reason of a rejection has a counter from the start, so that its first case is
//! an increase.

pub mod connections;
pub mod grpc;
pub mod http;
pub mod journal;
mod settings;
pub mod sinks;

pub use settings::{Reload, Seen, Settings};

use grpc::GrpcStats;
use hopscope_core::intake::reject::Rejection;
use http::HttpStats;
use journal::JournalStats;
use sinks::SinksStats;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start.
#[derive(Debug)]
pub struct SelfMetrics {
    accepted: AtomicU64,
    bytes: AtomicU64,
    rejected: [AtomicU64; Rejection::LABELS.len()],
    grpc: GrpcStats,
    http: HttpStats,
    journal: Option<Arc<JournalStats>>,
    settings: Settings,
    sinks: SinksStats,
}

impl SelfMetrics {
    /// Returns counters at zero, with those of the journal where there is one.
    #[must_use]
    pub fn new(journal: Option<Arc<JournalStats>>) -> Self {
        Self {
            accepted: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rejected: [const { AtomicU64::new(0) }; _],
            grpc: GrpcStats::default(),
            http: HttpStats::default(),
            journal,
            settings: Settings::default(),
            sinks: SinksStats::default(),
        }
    }

    /// Counts an accepted report, new or repeated.
    pub fn count_accepted(&self, bytes: u64) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a rejected report by a reason of [`Rejection::LABELS`].
    pub fn count_rejected(&self, label: &str) {
        let counters = Rejection::LABELS.iter().zip(&self.rejected);
        for (_, counter) in counters.filter(|(known, _)| **known == label) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counters of the gRPC server apart from reports.
    #[must_use]
    pub fn grpc(&self) -> &GrpcStats {
        &self.grpc
    }

    /// Counters of the HTTP server.
    #[must_use]
    pub fn http(&self) -> &HttpStats {
        &self.http
    }

    /// Counters of the journal; `None` without a journal.
    #[must_use]
    pub fn journal(&self) -> Option<&JournalStats> {
        self.journal.as_deref()
    }

    /// Settings in force, and results of reloads.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Statistics of the sinks.
    #[must_use]
    pub fn sinks(&self) -> &SinksStats {
        &self.sinks
    }

    /// Accepted reports, and their bytes.
    #[must_use]
    pub fn accepted(&self) -> (u64, u64) {
        (self.accepted.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Rejected reports by reason.
    pub fn rejections(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.rejected.iter().map(|counter| counter.load(Ordering::Relaxed));
        Rejection::LABELS.into_iter().zip(counts)
    }
}
