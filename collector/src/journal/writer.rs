//! The one thread that writes.
//!
//! In: what waits in the queue. Out: groups, on disk or refused, in the same order. Always holds: a group with batches is
//! on disk as a whole before it goes on; while one group is synced, and until `interval` after it began, the next one
//! gathers, unless it is a whole one before, so that one sync and one wake-up serve all of them; a group that could not be
//! written leaves nothing behind that counts, and the next one tries anew; segments never hold more than `bytes_max` together.

use super::chain;
use super::directory::{self, Folder, Segment};
use super::queue::{Item, Queue, Work};
use super::stats::Stats;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::snapshot::frame::{self, Entry, Place};
use hopscope_core::snapshot::segment;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// So much is written at a time.
const PIECE_BYTES: usize = 128 << 10;

/// What comes out of the writer.
#[derive(Debug)]
pub(super) enum Written {
    /// A group, and whether it is on disk.
    Group(Vec<Item>, Result<(), Rejection>),
    /// All groups so far are in segments before this one; `None` when it could not be begun.
    Rolled(Option<u64>),
}

/// Why a group is not on disk.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the segments hold as much as they may")]
    Full,
    #[error(transparent)]
    Disk(#[from] directory::Error),
}

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) folder: Arc<Folder>,
    pub(super) queue: Arc<Queue>,
    pub(super) stats: Arc<Stats>,
    /// Least time between the beginnings of two commits.
    pub(super) interval: Duration,
    pub(super) segment_bytes_max: u64,
    /// The number that no segment has yet.
    pub(super) next: u64,
    pub(super) segment: Option<Segment>,
    pub(super) buffer: Vec<u8>,
}

impl Writer {
    /// Works until the queue is closed.
    pub(super) fn run(mut self, written: &mpsc::Sender<Written>) {
        let mut not_before = Instant::now();
        while let Some(work) = self.queue.next(not_before) {
            not_before = Instant::now() + self.interval;
            let done = match work {
                Work::Group(items) => {
                    let outcome = self.commit(&items);
                    Written::Group(items, outcome)
                }
                Work::Roll => Written::Rolled(self.roll()),
            };
            if written.blocking_send(done).is_err() {
                return;
            }
        }
    }

    fn commit(&mut self, items: &[Item]) -> Result<(), Rejection> {
        let began = Instant::now();
        let batches = items.iter().filter(|item| matches!(item, Item::QueuedBatch(_))).count() as u64;
        match self.write(items, batches > 0) {
            Ok(()) => {
                if batches > 0 {
                    self.stats.committed(batches, began.elapsed());
                    self.failing(None);
                }
                Ok(())
            }
            Err(Failure::Full) => Err(Rejection::JournalFull(self.stats.bytes_max)),
            Err(Failure::Disk(error)) => {
                self.stats.append_errors.add(1);
                self.failing(Some(&error));
                Err(Rejection::JournalFailing)
            }
        }
    }

    fn write(&mut self, items: &[Item], sync: bool) -> Result<(), Failure> {
        let bytes = items.iter().map(room).fold(0_u64, u64::saturating_add);
        if self.stats.bytes.get().saturating_add(bytes) > self.stats.bytes_max {
            return Err(Failure::Full);
        }
        let mut segment = self.segment_for(bytes)?;
        let written = match self.append(items, &segment) {
            Ok(written) => written,
            Err(error) => {
                // The segment is good up to its length, if the rest can be cut off.
                match segment.cut() {
                    Ok(()) => self.segment = Some(segment),
                    Err(_) => self.give_up(&segment),
                }
                return Err(error.into());
            }
        };
        if sync && let Err(error) = segment.sync() {
            // After a failed sync nobody knows what is on disk, and a second one would claim that all is.
            let _ = segment.cut();
            self.give_up(&segment);
            return Err(error.into());
        }
        segment.length = segment.length.saturating_add(written);
        self.stats.bytes.add(written);
        self.segment = Some(segment);
        Ok(())
    }

    /// Writes frames behind what counts: how many bytes. Piece by piece, so that a piece is still in the cache when the system
    /// takes it.
    fn append(&mut self, items: &[Item], segment: &Segment) -> Result<u64, directory::Error> {
        let mut written = 0_u64;
        self.buffer.clear();
        for item in items {
            let behind = written.saturating_add(self.buffer.len() as u64);
            let place = Place { segment: segment.number, offset: segment.length.saturating_add(behind) };
            if let Some(entry) = entry(item) {
                // Nothing is larger than a frame: the door's bound is below that of frames.
                frame::write(entry, place, &mut self.buffer);
            }
            if self.buffer.len() >= PIECE_BYTES {
                segment.write(&self.buffer, written)?;
                written = written.saturating_add(self.buffer.len() as u64);
                self.buffer.clear();
            }
        }
        segment.write(&self.buffer, written)?;
        Ok(written.saturating_add(self.buffer.len() as u64))
    }

    /// The segment to write so many bytes to.
    fn segment_for(&mut self, bytes: u64) -> Result<Segment, Failure> {
        match self.segment.take() {
            Some(segment) if is_empty(&segment) => Ok(segment),
            Some(segment) if segment.length.saturating_add(bytes) <= self.segment_bytes_max => Ok(segment),
            Some(segment) => self.begin().inspect_err(|_| self.segment = Some(segment)),
            None => self.begin(),
        }
    }

    fn begin(&mut self) -> Result<Segment, Failure> {
        let segment = self.folder.begin_segment(self.next)?;
        self.next = self.next.saturating_add(1);
        self.stats.bytes.add(segment.length);
        self.stats.segments.add(1);
        Ok(segment)
    }

    /// Leaves a segment as it is; one that holds nothing is removed, so that a broken disk does not gather them.
    fn give_up(&mut self, segment: &Segment) {
        if is_empty(segment) && self.folder.remove_segment(segment.number).is_ok() {
            self.stats.bytes.take(segment.length);
            self.stats.segments.take(1);
            self.next = segment.number;
        }
    }

    fn roll(&mut self) -> Option<u64> {
        match self.segment.take() {
            Some(segment) if is_empty(&segment) => {
                let number = segment.number;
                self.segment = Some(segment);
                return Some(number);
            }
            // Ticks are not synced one by one.
            Some(segment) => drop(segment.sync()),
            None => {}
        }
        match self.begin() {
            Ok(segment) => {
                let number = segment.number;
                self.segment = Some(segment);
                Some(number)
            }
            Err(failure) => {
                if let Failure::Disk(error) = failure {
                    self.stats.append_errors.add(1);
                    self.failing(Some(&error));
                }
                None
            }
        }
    }

    /// Tells a change once.
    fn failing(&self, error: Option<&directory::Error>) {
        let before = self.stats.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !before => {
                tracing::error!("{}; reports are refused until the disk takes them", chain(error));
            }
            None if before => tracing::info!("the journal can be written again"),
            _ => {}
        }
    }
}

fn is_empty(segment: &Segment) -> bool {
    segment.length <= segment::HEAD_BYTES as u64
}

fn entry(item: &Item) -> Option<Entry<'_>> {
    match item {
        Item::QueuedBatch(batch) => {
            Some(Entry::Batch { times: batch.arrival.times(), message: batch.arrival.message() })
        }
        Item::Tick(now_us) => Some(Entry::Tick(*now_us)),
        Item::Roll => None,
    }
}

/// An upper bound on the bytes of an item's frame.
fn room(item: &Item) -> u64 {
    const FRAME_BYTES: u64 = 64;
    match item {
        Item::QueuedBatch(batch) => FRAME_BYTES.saturating_add(batch.len() as u64),
        Item::Tick(_) => FRAME_BYTES,
        Item::Roll => 0,
    }
}
