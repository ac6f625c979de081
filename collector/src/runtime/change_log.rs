//! Change log: the interface between [`EngineHandle`](super::engine_handle::EngineHandle) and the
//! journal.
//!
//! In: batches, and other changes of the engine. Out: the same changes, applied to the engine in
//! one order once they are on disk.

use hopscope_core::batch::EpochId;
use hopscope_core::engine::{Answer, Engine, Settings};
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::snapshot::Unreadable;
use hopscope_core::snapshot::frame::Entry;
use tokio::sync::oneshot;

/// Log through which every change of the engine passes.
pub trait ChangeLog: Send + Sync {
    /// Appends a batch. The acknowledgement follows when the batch is on disk and applied.
    ///
    /// # Errors
    ///
    /// When the log has no capacity for the batch; the filter keeps it.
    fn submit(&self, raw: RawBatch) -> Result<CommitAck, Rejection>;

    /// Appends another change. A tick is dropped while an earlier tick is queued.
    fn record(&self, change: Change);
}

/// Acknowledgement of a batch that is on its way to the disk.
#[derive(Debug)]
pub struct CommitAck(oneshot::Receiver<Result<Answer, Rejection>>);

impl CommitAck {
    /// Returns an acknowledgement and the sender that completes it.
    pub(crate) fn pending() -> (oneshot::Sender<Result<Answer, Rejection>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits until the batch is on disk and applied.
    ///
    /// # Errors
    ///
    /// When the batch is not on disk, or one of its records breaks a rule. The batch is not
    /// counted; the rejection says whether the filter keeps it.
    pub async fn answer(self) -> Result<Answer, Rejection> {
        self.0.await.unwrap_or(Err(Rejection::Stopping))
    }
}

/// Change of the engine other than a batch. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A tick at this time.
    Tick(u64),
    /// The end of an epoch, which never comes again.
    EndEpoch {
        /// The epoch.
        epoch_id: EpochId,
        /// Time of the end.
        now_us: u64,
    },
    /// Other limits from here on.
    SetLimits {
        /// Encoded [`Settings`]. A running collector decodes them as a replay does.
        limits: Vec<u8>,
        /// Time of the change.
        now_us: u64,
    },
}

impl Change {
    /// Returns a change of limits.
    #[must_use]
    pub fn limits(limits: &Settings, now_us: u64) -> Self {
        Self::SetLimits { limits: limits.encode(), now_us }
    }

    /// Entry of the journal for this change.
    #[must_use]
    pub fn entry(&self) -> Entry<'_> {
        match self {
            Self::Tick(now_us) => Entry::Tick(*now_us),
            Self::EndEpoch { epoch_id: EpochId { proxy, epoch }, now_us } => {
                Entry::EndEpoch { now_us: *now_us, proxy, epoch: *epoch }
            }
            Self::SetLimits { limits, now_us } => Entry::SetLimits { now_us: *now_us, limits },
        }
    }

    /// Applies the change to an engine.
    ///
    /// # Errors
    ///
    /// When the limits are of another version of hopscope; the engine is unchanged.
    pub fn apply(self, engine: &mut Engine) -> Result<(), Unreadable> {
        match self {
            Self::Tick(now_us) => engine.tick(now_us),
            Self::EndEpoch { epoch_id, now_us } => engine.end_epoch(&epoch_id, now_us),
            Self::SetLimits { limits, .. } => engine.limit(Settings::decode(&limits)?),
        }
        Ok(())
    }
}
