//! Statistics and times of one series of requests.
//!
//! Invariant: times are whole seconds, and never decrease.

use crate::histogram::RequestStats;
use crate::snapshot::codec::snapshot;

/// Statistics of the requests of one edge and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// Counts, durations, sizes.
    pub stats: RequestStats,
    /// Time of creation, seconds since the Unix epoch: 4 bytes, where microseconds would take 8.
    pub created_s: u32,
    /// Time of the last addition, seconds since the Unix epoch.
    pub last_s: u32,
}

snapshot!(struct Series { stats, created_s, last_s });

impl Series {
    /// Time of creation, microseconds since the Unix epoch, in whole seconds.
    #[must_use]
    pub fn created_us(&self) -> u64 {
        u64::from(self.created_s) * 1_000_000
    }

    /// Sets the time of the last addition.
    #[inline]
    pub(super) fn touch(&mut self, now_us: u64) {
        self.last_s = self.last_s.max(seconds(now_us));
    }
}

/// Returns whole seconds; the type suffices until the year 2106.
pub(super) fn seconds(time_us: u64) -> u32 {
    u32::try_from(time_us / 1_000_000).unwrap_or(u32::MAX)
}
