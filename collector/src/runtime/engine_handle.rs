//! What the doors share.
//!
//! In: a pipeline, a clock, and a journal where there is one. Out: all of them, to whichever door asks. Always holds: the
//! pipeline is locked for some reports or one reading, never across a wait; where there is a journal, the pipeline counts
//! nothing but what comes through it.

use crate::journal::{Coming, Journal};
use crate::runtime::self_metrics::SelfStats;
use hopscope_core::batch::Teller;
use hopscope_core::engine::{Answer, Pipeline};
use hopscope_core::intake::raw_batch::Arrival;
use hopscope_core::intake::reject::Refusal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The answer to a report that was handed on.
#[derive(Debug)]
pub enum Taking {
    /// It is here.
    Answered(Answer),
    /// It comes when the report is on disk.
    Coming(Coming),
}

impl Taking {
    /// Waits for it. Nothing of the report stands in what waits.
    ///
    /// # Errors
    ///
    /// When the report did not get to the disk, or one of its records breaks a rule.
    pub async fn answer(self) -> Result<Answer, Refusal> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::Coming(coming) => coming.answer().await,
        }
    }
}

/// The running collector.
pub struct State {
    pipeline: Mutex<Pipeline>,
    journal: Option<Journal>,
    stats: SelfStats,
    clock: fn() -> u64,
    started_us: u64,
    stopping: AtomicBool,
}

impl State {
    /// A collector that has begun; without a journal it keeps everything in memory only. `clock` gives microseconds since
    /// the Unix epoch.
    #[must_use]
    pub fn new(pipeline: Pipeline, journal: Option<Journal>, clock: fn() -> u64) -> Self {
        Self {
            pipeline: Mutex::new(pipeline),
            journal,
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

    /// The journal, where there is one.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Hands a message to the rooms: through the journal, so that the answer comes when it is on disk, or at once.
    ///
    /// # Errors
    ///
    /// When the journal cannot take it, or one of its records breaks a rule.
    pub fn take(&self, mut arrival: Arrival) -> Result<Taking, Refusal> {
        let Some(journal) = &self.journal else {
            return arrival.tell(&mut self.pipeline(), &mut Vec::new()).map(Taking::Answered);
        };
        if arrival.head().identity.is_none() && self.pipeline().is_of_stranger(arrival.head()) {
            return Ok(Taking::Answered(Answer::WhoAreYou));
        }
        journal.take(arrival).map(Taking::Coming)
    }

    /// An epoch has ended and never comes again. The journal does not know: after a start its book is open once more until
    /// it has been silent for long, with the same totals.
    pub fn end(&self, teller: &Teller, now_us: u64) {
        self.pipeline().ledger.end(teller, now_us);
    }

    /// Lets time pass in the rooms.
    pub fn tick(&self, now_us: u64) {
        match &self.journal {
            Some(journal) => journal.tick(now_us),
            None => self.pipeline().tick(now_us),
        }
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
