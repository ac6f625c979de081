//! The clock of a VM.
//!
//! In: the wall clock, which is the only clock of Proxy-Wasm. Out: both times of an event.
//! Invariant: the steady time never goes back, and no step of the wall clock moves it. A configured
//! VM reads the clock on every tick, at least once a second, so that a longer way is a step.

use crate::record::Now;

/// The longest way of the wall clock between two reads that counts as time. A VM that was stopped
/// for longer, with its machine, goes on as if no time had passed.
const AHEAD_MAX_US: u64 = 10_000_000;
/// The longest way back that is no step: callers round to milliseconds.
const BACK_MAX_US: u64 = 1_000_000;

/// The last reading.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Now,
}

impl Clock {
    /// Returns both times, from the wall clock in microseconds since the Unix epoch.
    pub(super) fn read(&mut self, wall_us: u64) -> Now {
        let Now { wall_us: last_us, steady_us } = self.last;
        let back_us = last_us.saturating_sub(wall_us);
        if back_us > 0 && back_us <= BACK_MAX_US {
            return Now { wall_us, steady_us };
        }
        let ahead_us = wall_us.saturating_sub(last_us);
        let passed_us = if ahead_us <= AHEAD_MAX_US { ahead_us } else { 0 };
        // The first read is no step.
        let steady_us = if steady_us == 0 { wall_us } else { steady_us.saturating_add(passed_us) };
        self.last = Now { wall_us, steady_us };
        self.last
    }

    /// Returns both times, from the wall clock in milliseconds since the Unix epoch.
    pub(super) fn read_ms(&mut self, wall_ms: u64) -> Now {
        self.read(wall_ms.saturating_mul(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Reads the clock at these microseconds after a start, and checks the steady times.
    #[track_caller]
    fn check(wall_us: &[i64], expected: &[u64]) {
        let start_us = 1_700_000_000_000_000_u64;
        let mut clock = Clock::default();
        let steady = wall_us.iter().map(|by| {
            let wall_us = start_us.checked_add_signed(*by).unwrap();
            let now = clock.read(wall_us);
            assert_eq!(now.wall_us, wall_us);
            now.steady_us - start_us
        });
        assert_eq!(steady.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn time_passes_without_steps() {
        check(&[0, 1, 1_000_001, 11_000_001], &[0, 1, 1_000_001, 11_000_001]);
    }

    #[test]
    fn rounding_is_no_step() {
        check(&[0, 1_900, 1_000, 1_950], &[0, 1_900, 1_900, 1_950]);
    }

    #[test]
    fn a_step_in_either_direction_is_no_time() {
        const HOURS_26: i64 = 26 * 3_600 * 1_000_000;
        for step in [-600_000_000, 600_000_000, -HOURS_26, HOURS_26] {
            check(&[0, 5, step, step + 7, 10, 11], &[0, 5, 5, 12, 12, 13]);
        }
        check(&[0, 5, -1_500_000, -1_499_000], &[0, 5, 5, 1_005]);
    }
}
