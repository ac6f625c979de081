//! Engine handle: the only owner of the engine.
//!
//! In: batches, ticks, ends of epochs, limits, questions. Out: acknowledgements and answers.
//! Invariant: with a journal, every change of the engine passes through the journal, so that a
//! replay is a second run of the same changes; no caller holds the engine across a wait.

use crate::runtime::change_log::{Change, ChangeLog, CommitAck};
use crate::runtime::clock::Clock;
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::self_metrics::SelfMetrics;
use hopscope_core::batch::{Batch, EpochId, Identity, Text};
use hopscope_core::engine::{Answer, Engine, Settings};
use hopscope_core::identity::authorize::{PeerIdentity, authorize};

use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::intake::validate::Limits;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Acknowledgement of a submitted batch.
#[derive(Debug)]
pub enum PendingAck {
    /// The engine has answered.
    Answered(Answer),
    /// The answer follows when the batch is on disk.
    Committing(CommitAck),
}

impl PendingAck {
    /// Waits for the answer. The future holds nothing of the batch.
    ///
    /// # Errors
    ///
    /// When the batch is not on disk, or one of its records breaks a rule.
    pub async fn answer(self) -> Result<Answer, Rejection> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::Committing(ack) => ack.answer().await,
        }
    }
}

/// Handle of the running engine.
pub struct EngineHandle {
    cell: EngineCell,
    log: Option<Box<dyn ChangeLog>>,
    stats: SelfMetrics,
    clock: Clock,
    started_us: u64,
    started: Instant,
    /// Time of the last tick since `started`, milliseconds.
    last_tick_ms: AtomicU64,
    stopping: AtomicBool,
}

impl EngineHandle {
    /// Returns a handle of an engine. Without a log, changes apply at once and are lost with the
    /// process.
    #[must_use]
    pub fn new(
        cell: EngineCell,
        log: Option<Box<dyn ChangeLog>>,
        stats: SelfMetrics,
        clock: impl Into<Clock>,
    ) -> Self {
        let clock = clock.into();
        let started_us = clock.wall_us();
        Self {
            cell,
            log,
            stats,
            clock,
            started_us,
            started: Instant::now(),
            last_tick_ms: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        }
    }

    /// Submits a batch of a trusted source.
    ///
    /// # Errors
    ///
    /// When the journal has no capacity for the batch, or one of its records breaks a rule.
    pub fn submit(&self, raw: RawBatch) -> Result<PendingAck, Rejection> {
        self.submit_from(&PeerIdentity::NotRequired, raw)
    }

    /// Submits a batch that came over a connection of `peer`.
    ///
    /// # Errors
    ///
    /// As [`Self::submit`], and when the certificate of the peer does not cover the batch.
    pub fn submit_from(&self, peer: &PeerIdentity, mut raw: RawBatch) -> Result<PendingAck, Rejection> {
        let received_us = raw.times().received_us;
        if *peer != PeerIdentity::NotRequired {
            self.cell.read(|engine| {
                let known = engine.address_book().known(&raw.head().epoch_id.proxy);
                authorize(peer, raw.head(), known, received_us)
            })?;
        }
        let Some(log) = &self.log else {
            let accept = |engine: &mut Engine| engine.accept(&mut raw, &mut Vec::new());
            return self.cell.change(accept).map(PendingAck::Answered);
        };
        if raw.head().identity.is_none() && self.is_unknown_proxy(raw.head()) {
            return Ok(PendingAck::Answered(Answer::NeedIdentity));
        }
        log.submit(raw).map(PendingAck::Committing)
    }

    /// Advances the time of the engine.
    pub fn tick(&self, now_us: u64) {
        let since_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_tick_ms.store(since_ms, Ordering::Relaxed);
        self.record(Change::Tick(now_us));
    }

    /// Time since the last tick, or since the start.
    #[must_use]
    pub fn tick_age(&self) -> Duration {
        let last = Duration::from_millis(self.last_tick_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    /// Sets the limits of the engine.
    pub fn set_limits(&self, limits: &Settings) {
        self.record(Change::limits(limits, self.now_us()));
    }

    /// Ends an epoch, which never comes again.
    pub fn end_epoch(&self, epoch_id: EpochId) {
        self.record(Change::EndEpoch { epoch_id, now_us: self.now_us() });
    }

    /// Resolves every pending edge as far as possible, because no further batches come. Only for a
    /// collector without a journal: the state of a journal stays pending for the next start.
    pub(crate) fn close(&self) {
        if self.log.is_none() {
            self.cell.change(|engine| engine.close(self.now_us()));
        }
    }

    fn record(&self, change: Change) {
        match &self.log {
            Some(log) => log.record(change),
            None => {
                let applied = self.cell.change(|engine| change.apply(engine));
                debug_assert!(applied.is_ok(), "limits of this version can be decoded");
            }
        }
    }

    /// Whether the engine requires the identity of the proxy of this batch.
    #[must_use]
    pub fn is_unknown_proxy(&self, batch: &Batch) -> bool {
        self.cell.read(|engine| engine.is_unknown_proxy(batch))
    }

    /// Whether the address book has the identity of a proxy.
    #[must_use]
    pub fn is_known_proxy(&self, proxy: &Text) -> bool {
        self.cell.read(|engine| engine.address_book().contains(proxy))
    }

    /// Identity of a proxy, and the time of its last batch.
    #[must_use]
    pub fn identity_of(&self, proxy: &str) -> Option<(Identity, u64)> {
        self.cell.read(|engine| {
            engine.address_book().known(proxy).map(|(identity, last_us)| (identity.clone(), last_us))
        })
    }

    /// Whether the ledger has this batch.
    #[must_use]
    pub fn is_duplicate(&self, epoch_id: &EpochId, sequence: u64) -> bool {
        self.cell.read(|engine| engine.ledger().has(epoch_id, sequence))
    }

    /// Runs a short function on the engine, from a task. Batches wait meanwhile, so the function
    /// copies some hundred rows at most; a longer answer is read in several calls.
    pub async fn read<T>(&self, read: impl FnOnce(&Engine) -> T) -> T {
        let value = self.cell.read(read);
        // Pending batches are applied before the next slice.
        tokio::task::yield_now().await;
        value
    }

    /// Current time of the engine, microseconds since the Unix epoch. Never goes back.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    /// Current time of the machine, microseconds since the Unix epoch, for timestamps that leave
    /// the collector.
    #[must_use]
    pub fn wall_us(&self) -> u64 {
        self.clock.wall_us()
    }

    /// Time of receipt of a message, and the limits of its requests at that time.
    #[must_use]
    pub fn receipt(&self, limits: &Limits) -> (u64, Limits) {
        self.clock.receipt(limits)
    }

    /// Start of the process run, microseconds since the Unix epoch.
    #[must_use]
    pub fn started_us(&self) -> u64 {
        self.started_us
    }

    /// Metrics of the collector about itself.
    #[must_use]
    pub fn stats(&self) -> &SelfMetrics {
        &self.stats
    }

    /// Rejects all further batches.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the collector rejects all batches because it stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
