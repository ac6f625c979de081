//! Statistics of sinks, by name.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values of the label `result`, in the order of [`SinkStats::items`].
pub const RESULTS: [&str; 3] = ["delivered", "rejected", "dropped"];

/// Statistics of one sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// Items by result, in the order of [`RESULTS`].
    pub items: [u64; RESULTS.len()],
    /// Time of the last cut that was delivered completely, microseconds since the Unix epoch; 0
    /// before the first one.
    pub last_success_us: u64,
}

/// Statistics of all enabled sinks, shared.
#[derive(Debug, Default)]
pub struct SinksStats {
    sinks: Mutex<BTreeMap<&'static str, SinkStats>>,
}

impl SinksStats {
    /// Adds a sink with counters at zero.
    pub fn add(&self, sink: &'static str) {
        self.lock().entry(sink).or_default();
    }

    /// Counts the items of one cut by result. A cut without rejected and dropped items is a
    /// success.
    pub fn count(&self, sink: &'static str, items: [u64; RESULTS.len()], now_us: u64) {
        let mut sinks = self.lock();
        let stats = sinks.entry(sink).or_default();
        for (sum, count) in stats.items.iter_mut().zip(items) {
            *sum = sum.saturating_add(count);
        }
        if items.into_iter().skip(1).all(|count| count == 0) {
            stats.last_success_us = now_us;
        }
    }

    /// Returns a copy.
    #[must_use]
    pub fn seen(&self) -> BTreeMap<&'static str, SinkStats> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, SinkStats>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
