//! Time of the join: passes as the collector's clock does, without its steps.
//!
//! In: times of batches and ticks by the collector's clock. Out: a time for deadlines and ages.
//! Invariant: the time never goes back. A gap of more than [`GAP_US_MAX`] is a step of the clock or
//! a pause of the collector, in which no report could arrive: no time passes, and no record falls
//! due early.

use crate::snapshot::codec::snapshot;

/// Longest time between two batches or ticks of a running collector; ticks come several times a
/// second.
const GAP_US_MAX: u64 = 120 * 1_000_000;

/// Time of the join.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    /// Latest time by the collector's clock; 0 before the first one.
    wall_us: u64,
    time_us: u64,
}

snapshot!(struct Clock { wall_us, time_us });

impl Clock {
    /// Returns the time at a moment of the collector's clock.
    #[inline]
    pub(super) fn advance(&mut self, now_us: u64) -> u64 {
        let passed_us = now_us.saturating_sub(self.wall_us);
        if self.wall_us == 0 {
            self.time_us = now_us;
        } else if passed_us <= GAP_US_MAX {
            self.time_us = self.time_us.saturating_add(passed_us);
        }
        self.wall_us = now_us;
        self.time_us
    }

    /// Returns the latest time by the collector's clock.
    pub(super) fn wall_us(&self) -> u64 {
        self.wall_us
    }

    /// Returns the time of an earlier or later moment of the collector's clock.
    pub(super) fn time_of(&self, wall_us: u64) -> u64 {
        self.time_us.saturating_add(wall_us).saturating_sub(self.wall_us)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn steps_of_the_clock_pass_no_time() {
        let mut clock = Clock::default();
        let seconds = [1_000, 1_001, 1_601, 1_602, 1_002, 1_003, 95_000, 95_002];
        let times = seconds.map(|second| clock.advance(second * 1_000_000) / 1_000_000);
        assert_eq!(times, [1_000, 1_001, 1_001, 1_002, 1_002, 1_003, 1_003, 1_005]);
        assert_eq!(clock.time_of(94_992_000_000), 995_000_000);
    }
}
