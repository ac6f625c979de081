//! What the doors share.
//!
//! In: a engine, a clock, and a journal where there is one. Out: all of them, to whichever door asks. Always holds: the
//! engine is locked for some reports or one reading, never across a wait; where there is a journal, the engine counts
//! nothing but what comes through it.

use crate::journal::{CommitAck, Journal};
use crate::runtime::self_metrics::SelfMetrics;
use hopscope_core::batch::EpochId;
use hopscope_core::engine::{Answer, Engine};
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The answer to a report that was handed on.
#[derive(Debug)]
pub enum PendingAck {
    /// It is here.
    Answered(Answer),
    /// It comes when the report is on disk.
    CommitAck(CommitAck),
}

impl PendingAck {
    /// Waits for it. Nothing of the report stands in what waits.
    ///
    /// # Errors
    ///
    /// When the report did not get to the disk, or one of its records breaks a rule.
    pub async fn answer(self) -> Result<Answer, Rejection> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::CommitAck(coming) => coming.answer().await,
        }
    }
}

/// The running collector.
pub struct EngineHandle {
    engine: Mutex<Engine>,
    journal: Option<Journal>,
    stats: SelfMetrics,
    clock: fn() -> u64,
    started_us: u64,
    stopping: AtomicBool,
}

impl EngineHandle {
    /// A collector that has begun; without a journal it keeps everything in memory only. `clock` gives microseconds since
    /// the Unix epoch.
    #[must_use]
    pub fn new(engine: Engine, journal: Option<Journal>, clock: fn() -> u64) -> Self {
        Self {
            engine: Mutex::new(engine),
            journal,
            stats: SelfMetrics::default(),
            clock,
            started_us: clock(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The rooms. A panic of another holder left them as they were between two steps, which is better than none.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub fn take(&self, mut arrival: RawBatch) -> Result<PendingAck, Rejection> {
        let Some(journal) = &self.journal else {
            return self.engine().accept(&mut arrival, &mut Vec::new()).map(PendingAck::Answered);
        };
        if arrival.head().identity.is_none() && self.engine().is_unknown_proxy(arrival.head()) {
            return Ok(PendingAck::Answered(Answer::NeedIdentity));
        }
        journal.take(arrival).map(PendingAck::CommitAck)
    }

    /// An epoch has ended and never comes again. The journal does not know: after a start its book is open once more until
    /// it has been silent for long, with the same totals.
    pub fn end(&self, epoch_id: &EpochId, now_us: u64) {
        self.engine().end_epoch(epoch_id, now_us);
    }

    /// Lets time pass in the rooms.
    pub fn tick(&self, now_us: u64) {
        match &self.journal {
            Some(journal) => journal.tick(now_us),
            None => self.engine().tick(now_us),
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
    pub fn stats(&self) -> &SelfMetrics {
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
