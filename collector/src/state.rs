//! What the doors share.
//!
//! In: a pipeline and a clock. Out: both, to whichever door asks. Always holds: the pipeline is locked for one report or
//! one reading, never across a wait.

use crate::pipeline::Pipeline;
use crate::self_stats::SelfStats;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The running collector.
pub struct State {
    pipeline: Mutex<Pipeline>,
    stats: SelfStats,
    clock: fn() -> u64,
    started_us: u64,
    stopping: AtomicBool,
}

impl State {
    /// A collector that has begun; `clock` gives microseconds since the Unix epoch.
    #[must_use]
    pub fn new(pipeline: Pipeline, clock: fn() -> u64) -> Self {
        Self {
            pipeline: Mutex::new(pipeline),
            stats: SelfStats::default(),
            clock,
            started_us: clock(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The rooms. A panic of another holder left them as they were between two steps, which is better than none.
    pub fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.clock)()
    }

    /// When it began.
    #[must_use]
    pub fn started_us(&self) -> u64 {
        self.started_us
    }

    /// Counters of the doors.
    #[must_use]
    pub fn stats(&self) -> &SelfStats {
        &self.stats
    }

    /// From now on every report is sent elsewhere.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it takes no reports any more.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
