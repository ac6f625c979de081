//! What was counted under one key.
//!
//! In: requests, and the time. Out: the same to whoever reads. Always holds: times are whole seconds, and never go back.

use crate::histogram::RequestStats;
use crate::snapshot::codec::snapshot;

/// What was counted under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// Counts, durations, sizes.
    pub stats: RequestStats,
    /// When it began, seconds since the Unix epoch. Half the size of microseconds, which nobody needs here.
    pub created_s: u32,
    /// When something was added last, likewise.
    pub last_s: u32,
}

snapshot!(struct Series { stats, created_s, last_s });

impl Series {
    /// When it began, microseconds since the Unix epoch, to the second.
    #[must_use]
    pub fn created_us(&self) -> u64 {
        u64::from(self.created_s) * 1_000_000
    }

    /// Something is added now.
    #[inline]
    pub(super) fn touch(&mut self, now_us: u64) {
        self.last_s = self.last_s.max(seconds(now_us));
    }
}

/// Until the year 2106.
pub(super) fn seconds(time_us: u64) -> u32 {
    u32::try_from(time_us / 1_000_000).unwrap_or(u32::MAX)
}
