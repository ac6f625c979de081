//! Statistics of requests in one window: count, failures, durations.
//!
//! Invariant: sums saturate. Without requests there is no share and no mean.

use crate::histogram::RequestStats;

/// Count, failures and durations of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowStats {
    /// Number of requests.
    pub requests: u64,
    /// Number of failed requests, by [`Outcome::is_failure`](crate::batch::Outcome::is_failure).
    pub failed: u64,
    /// Sum of the durations in microseconds.
    pub duration_us_sum: u64,
    /// Longest duration in microseconds; a window stores at most 71 minutes.
    pub duration_us_max: u64,
}

impl WindowStats {
    /// Returns the statistics of requests with one outcome.
    #[must_use]
    pub fn of(stats: &RequestStats, failed: bool) -> Self {
        let (requests, durations) = (stats.count(), stats.durations());
        Self {
            requests,
            failed: if failed { requests } else { 0 },
            duration_us_sum: durations.sum(),
            duration_us_max: durations.max(),
        }
    }

    /// Adds one request.
    #[inline]
    pub fn record(&mut self, duration_us: u64, failed: bool) {
        self.requests += 1;
        self.failed += u64::from(failed);
        self.duration_us_sum = self.duration_us_sum.saturating_add(duration_us);
        self.duration_us_max = self.duration_us_max.max(duration_us);
    }

    /// Adds other statistics.
    pub fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        self.duration_us_sum = self.duration_us_sum.saturating_add(other.duration_us_sum);
        self.duration_us_max = self.duration_us_max.max(other.duration_us_max);
    }

    /// Share of failed requests, from 0 to 1.
    #[must_use]
    pub fn failed_share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 / self.requests as f64)
    }

    /// Mean duration in microseconds.
    #[must_use]
    pub fn duration_us_mean(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.duration_us_sum as f64 / self.requests as f64)
    }
}
