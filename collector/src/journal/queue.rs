//! What waits for the writer.
//!
//! In: entries, from any task. Out: groups of them, in the order they came, to the one writer. Always holds: at most
//! [`WAITING_BYTES_MAX`] of batches, or one batch, wait from their arrival until they are counted or refused, whether or
//! not those who asked still do; at most one tick waits; a closed queue gives out what it holds and takes nothing.

use super::stats::Stats;
use hopscope_core::engine::Answer;
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Bytes of batches that may wait: a tenth of a second of the largest load that one core can take. What was read of
/// them, all but single records, comes on top.
pub(super) const WAITING_BYTES_MAX: u64 = 16 << 20;
/// Bytes of batches that are committed together.
pub(super) const GROUP_BYTES_MAX: usize = 4 << 20;

/// A batch on its way through the journal.
#[derive(Debug)]
pub(super) struct QueuedBatch {
    pub(super) arrival: RawBatch,
    pub(super) reply: oneshot::Sender<Result<Answer, Rejection>>,
}

impl QueuedBatch {
    /// Bytes of its message.
    pub(super) fn len(&self) -> usize {
        self.arrival.message().len()
    }
}

/// What passes through the journal.
#[derive(Debug)]
pub(super) enum Item {
    QueuedBatch(Box<QueuedBatch>),
    Tick(u64),
    /// The segments so far are to become part of a checkpoint.
    Roll,
}

/// One piece of work for the writer.
#[derive(Debug)]
pub(super) enum Work {
    /// Never empty; batches and ticks only.
    Group(Vec<Item>),
    Roll,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// Of the batches among them.
    bytes: usize,
    tick: bool,
    closed: bool,
}

/// See above.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
    stats: Arc<Stats>,
}

impl Queue {
    pub(super) fn new(stats: Arc<Stats>) -> Self {
        Self { waiting: Mutex::default(), came: Condvar::new(), stats }
    }

    /// Takes a batch in.
    pub(super) fn batch(&self, batch: Box<QueuedBatch>) -> Result<(), Rejection> {
        let bytes = batch.len() as u64;
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Rejection::Stopping);
        }
        let before = self.stats.waiting_bytes.get();
        if before > 0 && before.saturating_add(bytes) > WAITING_BYTES_MAX {
            return Err(Rejection::JournalBusy(WAITING_BYTES_MAX));
        }
        self.stats.waiting_bytes.add(bytes);
        waiting.bytes = waiting.bytes.saturating_add(batch.len());
        self.put(&mut waiting, Item::QueuedBatch(batch));
        Ok(())
    }

    /// Takes a tick in, unless one waits.
    pub(super) fn tick(&self, now_us: u64) {
        let mut waiting = self.lock();
        if !waiting.closed && !waiting.tick {
            waiting.tick = true;
            self.put(&mut waiting, Item::Tick(now_us));
        }
    }

    /// Asks for a new segment.
    pub(super) fn roll(&self) {
        let mut waiting = self.lock();
        if !waiting.closed {
            self.put(&mut waiting, Item::Roll);
        }
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    /// Waits for the next piece of work, and until `not_before` for more of it, unless as much waits as one group may hold;
    /// `None` when the queue is closed and empty.
    pub(super) fn next(&self, not_before: Instant) -> Option<Work> {
        let mut waiting = self.lock();
        while waiting.items.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let rest = not_before.saturating_duration_since(Instant::now());
        let is_short = |waiting: &mut Waiting| !waiting.closed && waiting.bytes < GROUP_BYTES_MAX;
        let more = self.came.wait_timeout_while(waiting, rest, is_short);
        let (mut waiting, _) = more.unwrap_or_else(PoisonError::into_inner);
        let mut group = Vec::new();
        let mut bytes = 0_usize;
        while let Some(item) = waiting.items.pop_front() {
            match &item {
                Item::Roll if group.is_empty() => return Some(Work::Roll),
                Item::Roll => {
                    waiting.items.push_front(item);
                    break;
                }
                Item::Tick(_) => waiting.tick = false,
                Item::QueuedBatch(batch) => {
                    bytes = bytes.saturating_add(batch.len());
                    waiting.bytes = waiting.bytes.saturating_sub(batch.len());
                }
            }
            group.push(item);
            if bytes >= GROUP_BYTES_MAX {
                break;
            }
        }
        Some(Work::Group(group))
    }

    /// A batch is counted or refused.
    pub(super) fn done(&self, batch: &QueuedBatch) {
        self.stats.waiting_bytes.take(batch.len() as u64);
    }

    fn put(&self, waiting: &mut Waiting, item: Item) {
        let idle = waiting.items.is_empty();
        waiting.items.push_back(item);
        // For what comes meanwhile the writer, which waits for more of it, is left asleep.
        if idle || waiting.bytes >= GROUP_BYTES_MAX {
            self.came.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{GROUP_BYTES_MAX, Item, Queue, QueuedBatch, Work};
    use crate::journal::stats::Stats;
    use hopscope_core::batch::{Batch, Connections, Details, Edges, EpochId, Totals};
    use hopscope_core::intake::raw_batch::RawBatch;
    use hopscope_core::intake::validate::Limits;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn put(queue: &Queue, bytes: usize) {
        let report = Batch {
            epoch_id: EpochId { proxy: "p".into(), epoch: 7 },
            sequence: 1,
            attempt: 1,
            identity: None,
            totals: Totals::default(),
            edges: Edges::default(),
            outcomes: Vec::new(),
            details: Details::default(),
            records: Vec::new(),
            folds: Vec::new(),
            open: Vec::new(),
            connections: Connections::default(),
            streams: Vec::new(),
            messages: Vec::new(),
        };
        let message = prost::bytes::Bytes::from(vec![0; bytes]);
        let arrival = RawBatch::made(message, report, &Limits::default(), 1);
        let (reply, _) = tokio::sync::oneshot::channel();
        queue.batch(Box::new(QueuedBatch { arrival, reply })).unwrap();
    }

    /// How many batches are in the next group; `None` when there is none.
    fn next(queue: &Queue, wait: Duration) -> Option<usize> {
        let Work::Group(group) = queue.next(Instant::now() + wait)? else { return None };
        Some(group.iter().filter(|item| matches!(item, Item::QueuedBatch(_))).count())
    }

    #[test]
    fn what_waits_is_given_out_when_it_is_time_or_a_group_or_nothing_more_comes() {
        let queue = Queue::new(Arc::new(Stats::new(1 << 20)));
        put(&queue, 5);
        assert_eq!(next(&queue, Duration::ZERO), Some(1));
        let (began, wait) = (Instant::now(), Duration::from_millis(20));
        put(&queue, 5);
        assert_eq!(next(&queue, wait), Some(1));
        assert!(began.elapsed() >= wait);

        let hour = Duration::from_secs(3_600);
        put(&queue, GROUP_BYTES_MAX);
        put(&queue, 5);
        assert_eq!(next(&queue, hour), Some(1), "a whole group");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| next(&queue, hour));
            put(&queue, GROUP_BYTES_MAX);
            assert_eq!(waiting.join().unwrap(), Some(2));
        });
        put(&queue, 5);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| next(&queue, hour));
            put(&queue, 5);
            queue.close();
            assert_eq!(waiting.join().unwrap(), Some(2));
        });
        assert_eq!(next(&queue, hour), None);
    }
}
