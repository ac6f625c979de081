//! Clock of the engine: never steps, and follows the clock of the machine.
//!
//! In: the clock of the machine, which may step in either direction, and the time since the start,
//! which may not. Out: the time that the engine sees. Invariant: the time never goes back, also
//! across restarts with a journal; in one second it advances by half a second to two seconds, until
//! it agrees with the clock of the machine. So a step of that clock moves no deadline by more than
//! half of its length, and no report, address, series or duplicate is lost to it.
//!
//! Timestamps that leave the collector are those of the machine. Requests are accepted in the range
//! that either clock allows, since the clocks of proxies may step as well.

use hopscope_core::intake::validate::Limits;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Source of a time in microseconds.
type Source = Box<dyn Fn() -> u64 + Send + Sync>;

/// Clock of the engine.
pub struct Clock {
    /// Clock of the machine, microseconds since the Unix epoch.
    wall: Source,
    /// Time that never steps, from any start; `None` for a clock that is not corrected.
    elapsed: Option<Source>,
    last: Mutex<Last>,
}

/// Last time that the engine saw.
#[derive(Debug, Clone, Copy)]
struct Last {
    engine_us: u64,
    elapsed_us: u64,
}

impl Clock {
    /// Returns a clock that follows that of the machine. `floor_us`: last time that the engine saw
    /// before the restart.
    #[must_use]
    pub fn system(floor_us: u64) -> Self {
        let started = Instant::now();
        Self::of(wall_us, move || micros(started.elapsed()), floor_us)
    }

    /// Returns a clock that follows `wall`, at the speed of `elapsed`.
    #[must_use]
    pub fn of(
        wall: impl Fn() -> u64 + Send + Sync + 'static,
        elapsed: impl Fn() -> u64 + Send + Sync + 'static,
        floor_us: u64,
    ) -> Self {
        let last = Last { engine_us: wall().max(floor_us), elapsed_us: elapsed() };
        Self { wall: Box::new(wall), elapsed: Some(Box::new(elapsed)), last: Mutex::new(last) }
    }

    /// Time that the engine sees, microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        let wall_us = self.wall_us();
        let Some(elapsed) = &self.elapsed else { return wall_us };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed_us = elapsed();
        let passed_us = elapsed_us.saturating_sub(last.elapsed_us);
        *last = Last { engine_us: advance(last.engine_us, passed_us, wall_us), elapsed_us };
        last.engine_us
    }

    /// Time of the machine, microseconds since the Unix epoch.
    #[must_use]
    pub fn wall_us(&self) -> u64 {
        (self.wall)()
    }

    /// Returns the time at which a message is received, and the limits of its requests: those that
    /// either clock allows.
    #[must_use]
    pub fn receipt(&self, limits: &Limits) -> (u64, Limits) {
        let (now_us, wall_us) = (self.now_us(), self.wall_us());
        let limits = Limits {
            ahead_us_max: limits.ahead_us_max.saturating_add(wall_us.saturating_sub(now_us)),
            age_us_max: limits.age_us_max.saturating_add(now_us.saturating_sub(wall_us)),
            ..limits.clone()
        };
        (now_us, limits)
    }
}

/// A clock that is not corrected, for tests and benchmarks.
impl<F: Fn() -> u64 + Send + Sync + 'static> From<F> for Clock {
    fn from(clock: F) -> Self {
        let last = Mutex::new(Last { engine_us: 0, elapsed_us: 0 });
        Self { wall: Box::new(clock), elapsed: None, last }
    }
}

/// Time of the engine, `passed_us` after `engine_us`: nearer to `wall_us` by at most `passed_us` if
/// that is ahead, and by half of it otherwise.
fn advance(engine_us: u64, passed_us: u64, wall_us: u64) -> u64 {
    let next_us = engine_us.saturating_add(passed_us);
    if wall_us >= next_us {
        next_us.saturating_add(passed_us.min(wall_us - next_us))
    } else {
        next_us.saturating_sub((passed_us / 2).min(next_us - wall_us))
    }
}

fn wall_us() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
