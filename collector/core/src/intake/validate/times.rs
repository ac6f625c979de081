//! Times of a batch, compared with the clock of the collector.
//!
//! In: times by the proxy's clock.
//! Out: times within the limits, which are as close as possible to the reported ones.
//! Invariant: a wrong clock costs no request. A time within the limits is unchanged.

use super::Limits;

/// Times of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchTimes {
    /// Base time of the batch.
    pub(crate) base_us: u64,
    /// Whether the base time was moved, and all times of the batch with it.
    pub(crate) is_moved: bool,
    /// Receive time of the batch.
    now_us: u64,
    /// Earliest end of a request.
    pub(crate) first_us: u64,
    /// Latest start of a request.
    pub(crate) last_us: u64,
}

impl BatchTimes {
    /// Returns the times of a batch with this base time.
    ///
    /// A base time after the latest start is moved by a multiple of the maximum lead, so that it is
    /// close to the receive time: two proxies whose clocks are wrong by the same time, or all
    /// proxies of a collector whose clock is late, keep the order of their times.
    pub(crate) fn new(base_us: u64, limits: &Limits, now_us: u64) -> Self {
        let last_us = now_us.saturating_add(limits.ahead_us_max);
        let is_moved = base_us > last_us;
        let base_us = if is_moved {
            let step_us = limits.ahead_us_max.max(1);
            let lead_us = base_us.saturating_sub(now_us);
            let steps = lead_us.saturating_add(step_us / 2) / step_us;
            base_us.saturating_sub(steps.saturating_mul(step_us))
        } else {
            base_us
        };
        Self { base_us, is_moved, now_us, first_us: now_us.saturating_sub(limits.age_us_max), last_us }
    }

    /// Returns the start of a request within the limits. A request from the future ends at the
    /// receive time, and one from too long ago ends at the limit.
    pub(super) fn start_us(&self, start_us: u64, duration_us: u64) -> u64 {
        if start_us > self.last_us {
            self.now_us.saturating_sub(duration_us)
        } else if start_us.saturating_add(duration_us) < self.first_us {
            self.first_us.saturating_sub(duration_us)
        } else {
            start_us
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchTimes, Limits};

    const NOW_S: u64 = 1_700_000_000;

    /// Compares the base time and the start of a request after moving, relative to the receive
    /// time. All values are seconds.
    #[track_caller]
    fn check(base: i64, start_after_base: i64, duration: u64, expected: &str) {
        let now_us = NOW_S * 1_000_000;
        let us = |seconds: i64| seconds * 1_000_000;
        let times = BatchTimes::new(now_us.wrapping_add_signed(us(base)), &Limits::default(), now_us);
        let start_us = times.base_us.wrapping_add_signed(us(start_after_base));
        let start_us = times.start_us(start_us, duration * 1_000_000);
        let relative = |time_us: u64| (time_us.cast_signed() - now_us.cast_signed()) / 1_000_000;
        assert_eq!(format!("{} {}", relative(times.base_us), relative(start_us)), expected);
    }

    #[test]
    fn times_within_the_limits_are_unchanged() {
        check(0, 0, 1, "0 0");
        check(-5, 3, 1, "-5 -2");
        check(600, 0, 1, "600 600");
        check(-86_400, 0, 1, "-86400 -86400");
    }

    #[test]
    fn a_base_time_in_the_future_is_moved_by_whole_limits() {
        check(11 * 60, -2, 1, "60 58");
        check(19 * 60, -2, 1, "-60 -62");
        check(26 * 3_600 + 7, 1, 1, "7 8");
    }

    #[test]
    fn one_time_outside_the_limits_is_moved_alone() {
        check(0, 11 * 60, 2, "0 -2");
        check(0, -90_000, 2, "0 -86402");
        check(-90_000, 0, 2, "-90000 -86402");
        check(0, i64::MAX / 1_000_000, 2, "0 -2");
    }
}
