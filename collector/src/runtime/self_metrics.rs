//! What the collector counts about itself at its doors.
//!
//! In: events. Out: counters. Always holds: every reason of refusal has a counter from the start, so that its first case
//! is an increase.

mod settings;

pub use settings::{Reload, Seen, Settings};

use crate::grpc::stats::GrpcStats;
use hopscope_core::intake::reject::Rejection;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start.
#[derive(Debug)]
pub struct SelfMetrics {
    taken: AtomicU64,
    bytes: AtomicU64,
    refused: [AtomicU64; Rejection::LABELS.len()],
    door: GrpcStats,
    settings: Settings,
}

impl Default for SelfMetrics {
    fn default() -> Self {
        Self {
            taken: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: [const { AtomicU64::new(0) }; _],
            door: GrpcStats::default(),
            settings: Settings::default(),
        }
    }
}

impl SelfMetrics {
    /// A report was taken, new or repeated.
    pub fn took(&self, bytes: u64) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A report was refused for a reason of [`Rejection::LABELS`].
    pub fn refused(&self, label: &str) {
        let counters = Rejection::LABELS.iter().zip(&self.refused);
        for (_, counter) in counters.filter(|(known, _)| **known == label) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the gRPC door counts beside reports.
    #[must_use]
    pub fn door(&self) -> &GrpcStats {
        &self.door
    }

    /// What is in force, and how reloads went.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reports that were taken, and their size.
    #[must_use]
    pub fn taken(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Refusals by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Rejection::LABELS.into_iter().zip(self.refused.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}
