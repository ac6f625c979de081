//! What some requests of one edge amount to, for a comparison with others.
//!
//! In: requests, one by one or many. Out: how many, how many of them failed, how long they took. Always holds: sums stop at the
//! end of their range rather than wrap; what took no request has no share and no mean.

use crate::histogram::RequestStats;

/// See above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub requests: u64,
    /// Those that failed, as [`Outcome::is_failure`](crate::batch::Outcome::is_failure) has it.
    pub failed: u64,
    /// All durations together.
    pub duration_us_sum: u64,
    /// The longest; a window keeps no more than 71 minutes.
    pub duration_us_max: u64,
}

impl Tally {
    /// Requests that ended alike.
    #[must_use]
    pub fn of(measure: &RequestStats, failed: bool) -> Self {
        let (requests, durations) = (measure.count(), measure.durations());
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

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        self.duration_us_sum = self.duration_us_sum.saturating_add(other.duration_us_sum);
        self.duration_us_max = self.duration_us_max.max(other.duration_us_max);
    }

    /// From 0 to 1.
    #[must_use]
    pub fn failed_share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 / self.requests as f64)
    }

    /// Microseconds.
    #[must_use]
    pub fn duration_us_mean(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.duration_us_sum as f64 / self.requests as f64)
    }
}
