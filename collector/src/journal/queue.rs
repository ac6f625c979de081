//! Queue of the writer.
//!
//! In: batches and other changes, from any task. Out: groups in the order of arrival, to the one
//! writer. Invariant: batches of at most [`QUEUE_BYTES_MAX`], or one batch, are between receipt and
//! application, whether or not their clients still wait; at most one tick is queued;
//! a closed queue hands out its content and accepts nothing.

use crate::runtime::change_log::Change;
use crate::runtime::self_metrics::journal::JournalStats;
use hopscope_core::engine::Answer;
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::snapshot::frame::Entry;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Limit on the bytes of queued messages: a tenth of a second of the largest load of one core. The
/// decoded parts, everything except single records, come on top.
pub(super) const QUEUE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of batches in one commit.
pub(super) const GROUP_BYTES_MAX: usize = 4 << 20;
/// Limit on queued ends of epochs. The ledger closes an epoch whose end is dropped after its
/// silence.
pub(super) const ENDS_MAX: usize = 65_536;

/// Batch on its way through the journal.
#[derive(Debug)]
pub(super) struct QueuedBatch {
    pub(super) raw: RawBatch,
    pub(super) reply: oneshot::Sender<Result<Answer, Rejection>>,
}

impl QueuedBatch {
    /// Bytes of its message.
    pub(super) fn len(&self) -> usize {
        self.raw.message().len()
    }
}

/// Item of the queue.
#[derive(Debug)]
pub(super) enum Item {
    Batch(Box<QueuedBatch>),
    Change(Change),
    /// Request for a new segment; a snapshot replaces the segments before it.
    Roll,
}

impl Item {
    /// Entry of the journal for this item.
    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        match self {
            Self::Batch(batch) => {
                Some(Entry::Batch { times: batch.raw.times(), message: batch.raw.message() })
            }
            Self::Change(change) => Some(change.entry()),
            Self::Roll => None,
        }
    }
}

/// Work of the writer.
#[derive(Debug)]
pub(super) enum Work {
    /// Batches and changes; never empty.
    Group(Vec<Item>),
    Roll,
}

#[derive(Debug, Default)]
struct Queued {
    items: VecDeque<Item>,
    /// Bytes of the queued batches.
    bytes: usize,
    has_tick: bool,
    /// Number of queued ends of epochs.
    ends: usize,
    is_closed: bool,
}

impl Queued {
    /// Removes the next group; a roll is a group of its own.
    fn next_work(&mut self) -> Work {
        let mut group = Vec::new();
        let mut bytes = 0_usize;
        while let Some(item) = self.items.pop_front() {
            match &item {
                Item::Roll if group.is_empty() => return Work::Roll,
                Item::Roll => {
                    self.items.push_front(item);
                    break;
                }
                Item::Change(Change::Tick(_)) => self.has_tick = false,
                Item::Change(Change::EndEpoch { .. }) => self.ends = self.ends.saturating_sub(1),
                Item::Change(Change::SetLimits { .. }) => {}
                Item::Batch(batch) => {
                    bytes = bytes.saturating_add(batch.len());
                    self.bytes = self.bytes.saturating_sub(batch.len());
                }
            }
            group.push(item);
            if bytes >= GROUP_BYTES_MAX {
                break;
            }
        }
        Work::Group(group)
    }

    /// Whether the queue accepts a change; counts it if so.
    fn admit(&mut self, change: &Change) -> bool {
        match change {
            _ if self.is_closed => false,
            Change::Tick(_) => !std::mem::replace(&mut self.has_tick, true),
            Change::EndEpoch { .. } if self.ends >= ENDS_MAX => false,
            Change::EndEpoch { .. } => {
                self.ends += 1;
                true
            }
            Change::SetLimits { .. } => true,
        }
    }
}

/// Queue between tasks and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    queued: Mutex<Queued>,
    arrival: Condvar,
    stats: Arc<JournalStats>,
}

impl Queue {
    pub(super) fn new(stats: Arc<JournalStats>) -> Self {
        Self { queued: Mutex::default(), arrival: Condvar::new(), stats }
    }

    /// Appends a batch.
    pub(super) fn push_batch(&self, batch: Box<QueuedBatch>) -> Result<(), Rejection> {
        let bytes = batch.len() as u64;
        let mut queued = self.lock();
        if queued.is_closed {
            return Err(Rejection::Stopping);
        }
        let before = self.stats.queue_bytes.get();
        if before > 0 && before.saturating_add(bytes) > QUEUE_BYTES_MAX {
            return Err(Rejection::JournalBusy(QUEUE_BYTES_MAX));
        }
        self.stats.queue_bytes.add(bytes);
        queued.bytes = queued.bytes.saturating_add(batch.len());
        self.push(&mut queued, Item::Batch(batch));
        Ok(())
    }

    /// Appends a change; drops a tick while one is queued, and the end of an epoch while
    /// [`ENDS_MAX`] are.
    pub(super) fn push_change(&self, change: Change) {
        let mut queued = self.lock();
        if queued.admit(&change) {
            self.push(&mut queued, Item::Change(change));
        }
    }

    /// Requests a new segment.
    pub(super) fn push_roll(&self) {
        let mut queued = self.lock();
        if !queued.is_closed {
            self.push(&mut queued, Item::Roll);
        }
    }

    /// Accepts nothing more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrival.notify_one();
    }

    /// Waits for an item, then until `not_before` or a full group; `None` when the queue is closed
    /// and empty.
    pub(super) fn next(&self, not_before: Instant) -> Option<Work> {
        let mut queued = self.lock();
        while queued.items.is_empty() {
            if queued.is_closed {
                return None;
            }
            queued = self.arrival.wait(queued).unwrap_or_else(PoisonError::into_inner);
        }
        let rest = not_before.saturating_duration_since(Instant::now());
        let is_gathering = |queued: &mut Queued| !queued.is_closed && queued.bytes < GROUP_BYTES_MAX;
        let gathered = self.arrival.wait_timeout_while(queued, rest, is_gathering);
        let (mut queued, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        Some(queued.next_work())
    }

    /// Releases the bytes of a batch that is applied or rejected.
    pub(super) fn release(&self, batch: &QueuedBatch) {
        self.stats.queue_bytes.sub(batch.len() as u64);
    }

    fn push(&self, queued: &mut Queued, item: Item) {
        let was_empty = queued.items.is_empty();
        queued.items.push_back(item);
        // A writer that gathers a group sleeps on until the group is full.
        if was_empty || queued.bytes >= GROUP_BYTES_MAX {
            self.arrival.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
