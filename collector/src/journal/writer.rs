//! Writer: the thread that writes the journal.
//!
//! In: groups of the queue. Out: the same groups, on disk or rejected, in the same order.
//! Invariant: a group is synced as a whole before it goes on. One sync and one wake-up
//! serve all batches that came during the previous sync, and until `interval` after its start. A
//! group that could not be written leaves no valid bytes behind, and the next group is tried
//! again. Segments never hold more than `bytes_max` together, nor more than the disk allows with a
//! reserve for the next snapshot.
//!
//! Each segment begins with the limits of the engine, because a replay may start at any segment.
//! The first batch with the identity of a proxy is written twice in a segment: all later batches of
//! the proxy depend on it, so that one damaged byte would cost them all.

use super::directory::{self, Directory, Segment};
use super::queue::{Item, Queue, Work};
use super::{SEGMENT_BYTES_MAX, SEGMENTS_MIN, Settings, error_chain};
use crate::runtime::change_log::Change;
use crate::runtime::self_metrics::journal::JournalStats;
use hopscope_core::batch::Text;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::snapshot::frame::{self, Position};
use hopscope_core::snapshot::segment;
use retry::Retry;
use space::SpaceWatch;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

mod retry;
mod space;

/// Bytes of one write.
const PIECE_BYTES: usize = 128 << 10;

/// Output of the writer.
#[derive(Debug)]
pub(super) enum Written {
    /// A group, and whether it is on disk.
    Group(Vec<Item>, Result<(), Rejection>),
    /// All groups so far are in segments before this one; `None` when it could not be created.
    Rolled(Option<u64>),
}

/// Reason why a group is not on disk.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the segments have reached their limit")]
    Full,
    #[error(transparent)]
    Disk(#[from] directory::Error),
}

/// State of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    directory: Arc<Directory>,
    queue: Arc<Queue>,
    stats: Arc<JournalStats>,
    /// Least time between the starts of two commits.
    interval: Duration,
    segment_bytes_max: u64,
    /// Number of the next segment.
    next: u64,
    segment: Option<Segment>,
    buffer: Vec<u8>,
    /// Last limits on disk.
    limits: Option<Change>,
    /// Proxies whose identity is in the segment twice.
    copied: HashSet<Text>,
    space: SpaceWatch,
    /// Number of snapshots before the directory was created again; reports are rejected until
    /// there is another one.
    awaited_snapshot: Option<u64>,
    retry: Retry,
}

impl Writer {
    pub(super) fn new(
        directory: Arc<Directory>,
        queue: Arc<Queue>,
        stats: Arc<JournalStats>,
        settings: &Settings,
        next: u64,
    ) -> Self {
        Self {
            directory,
            queue,
            stats,
            interval: settings.commit_interval(),
            segment_bytes_max: (settings.bytes_max / SEGMENTS_MIN).min(SEGMENT_BYTES_MAX),
            next,
            segment: None,
            buffer: Vec::new(),
            limits: None,
            copied: HashSet::new(),
            space: SpaceWatch::new(settings.disk_reserve_bytes),
            awaited_snapshot: None,
            retry: Retry::default(),
        }
    }

    /// Runs until the queue is closed.
    pub(super) fn run(mut self, written: &mpsc::Sender<Written>) {
        let mut not_before = Instant::now();
        while let Some(work) = self.queue.next(not_before) {
            not_before = Instant::now() + self.interval;
            let done = match work {
                Work::Group(items) => self.write_group(items),
                Work::Roll => Written::Rolled(self.roll()),
            };
            if written.blocking_send(done).is_err() {
                return;
            }
        }
    }

    /// Commits a group, with the changes of failed groups before it.
    fn write_group(&mut self, items: Vec<Item>) -> Written {
        let mut items = self.retry.with(items);
        let outcome = self.commit(&items);
        match outcome {
            Ok(()) => {
                let limits = items.iter().rev().find_map(|item| match item {
                    Item::Change(change @ Change::SetLimits { .. }) => Some(change.clone()),
                    _ => None,
                });
                self.limits = limits.or(self.limits.take());
            }
            Err(_) => self.retry.retain(&mut items),
        }
        Written::Group(items, outcome)
    }

    fn commit(&mut self, items: &[Item]) -> Result<(), Rejection> {
        let began = Instant::now();
        let batches = items.iter().filter(|item| matches!(item, Item::Batch(_))).count() as u64;
        match self.write(items) {
            Ok(()) => {
                if batches > 0 {
                    self.stats.count_commit(batches, began.elapsed());
                }
                self.set_failing(None);
                Ok(())
            }
            Err(Failure::Full) => Err(Rejection::JournalFull(self.stats.bytes_limit.get())),
            Err(Failure::Disk(error)) => {
                self.stats.append_errors.add(1);
                self.set_failing(Some(&error));
                Err(Rejection::JournalFailing)
            }
        }
    }

    fn write(&mut self, items: &[Item]) -> Result<(), Failure> {
        self.attach()?;
        self.space.check(&self.directory, &self.stats);
        let copies = items.iter().filter(|item| identified(item).is_some()).filter_map(Item::entry);
        let entries = items.iter().filter_map(Item::entry).chain(self.limits.as_ref().map(Change::entry));
        let bytes =
            entries.chain(copies).map(|entry| frame::bytes_max(entry) as u64).fold(0, u64::saturating_add);
        if self.stats.bytes.get().saturating_add(bytes) > self.stats.bytes_limit.get() {
            return Err(Failure::Full);
        }
        let mut segment = self.segment_for(bytes)?;
        let written = match self.append(items, &segment) {
            Ok(written) => written,
            Err(error) => {
                self.copied.clear();
                // The segment is valid up to its length, if the rest can be cut off.
                match segment.cut() {
                    Ok(()) => self.segment = Some(segment),
                    Err(_) => self.abandon(&segment),
                }
                return Err(error.into());
            }
        };
        if let Err(error) = segment.sync() {
            // The content on disk is unknown after a failed sync, and a second sync would succeed
            // without writing it.
            let _ = segment.cut();
            self.abandon(&segment);
            return Err(error.into());
        }
        // A batch in a file without a name is lost with the process.
        if let Err(error) = self.directory.check() {
            return Err(error.into());
        }
        segment.length = segment.length.saturating_add(written);
        self.stats.bytes.add(written);
        self.segment = Some(segment);
        Ok(())
    }

    /// Writes frames behind the valid bytes, and returns their bytes. Piece by piece, so that a
    /// piece is still in the CPU cache when the system copies it.
    fn append(&mut self, items: &[Item], segment: &Segment) -> Result<u64, directory::Error> {
        let mut written = 0_u64;
        self.buffer.clear();
        let limits = self.limits.as_ref().filter(|_| is_empty(segment)).map(Change::entry);
        let copied = &mut self.copied;
        let is_first = |item: &&Item| identified(item).is_some_and(|proxy| copied.insert(proxy.clone()));
        let copies: Vec<&Item> = items.iter().filter(is_first).collect();
        let entries = items.iter().chain(copies).filter_map(Item::entry);
        for entry in limits.into_iter().chain(entries) {
            let behind = written.saturating_add(self.buffer.len() as u64);
            let position =
                Position { segment: segment.number, offset: segment.length.saturating_add(behind) };
            // The limit on messages is below that on frames, so every entry fits.
            frame::write(entry, position, &mut self.buffer);
            if self.buffer.len() >= PIECE_BYTES {
                segment.write(&self.buffer, written)?;
                written = written.saturating_add(self.buffer.len() as u64);
                self.buffer.clear();
            }
        }
        segment.write(&self.buffer, written)?;
        Ok(written.saturating_add(self.buffer.len() as u64))
    }

    /// Returns the segment for so many bytes.
    fn segment_for(&mut self, bytes: u64) -> Result<Segment, Failure> {
        match self.segment.take() {
            Some(segment) if is_empty(&segment) => Ok(segment),
            Some(segment) if segment.length.saturating_add(bytes) <= self.segment_bytes_max => Ok(segment),
            Some(segment) => self.create_segment().inspect_err(|_| self.segment = Some(segment)),
            None => self.create_segment(),
        }
    }

    fn create_segment(&mut self) -> Result<Segment, Failure> {
        let segment = self.directory.create_segment(self.next)?;
        self.copied.clear();
        self.next = self.next.saturating_add(1);
        self.stats.bytes.add(segment.length);
        self.stats.segments.add(1);
        Ok(segment)
    }

    /// Abandons a segment. An empty one is removed, so that a broken disk does not collect them.
    fn abandon(&mut self, segment: &Segment) {
        if is_empty(segment) && self.directory.remove_segment(segment.number).is_ok() {
            self.stats.bytes.sub(segment.length);
            self.stats.segments.sub(1);
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
            // Every group is synced.
            Some(_) | None => {}
        }
        match self.create_segment() {
            Ok(segment) => {
                let number = segment.number;
                self.segment = Some(segment);
                Some(number)
            }
            Err(failure) => {
                if let Failure::Disk(error) = failure {
                    self.stats.append_errors.add(1);
                    self.set_failing(Some(&error));
                }
                None
            }
        }
    }

    /// Checks that the directory is still there. A removed one is created again; its first content
    /// is a snapshot, since the state of before is in memory only.
    fn attach(&mut self) -> Result<(), Failure> {
        if let Some(before) = self.awaited_snapshot.filter(|before| *before < self.stats.snapshots.get()) {
            tracing::info!(
                "snapshot {} is in the directory that was created again",
                before.saturating_add(1)
            );
            self.awaited_snapshot = None;
        }
        let Err(error) = self.directory.check() else {
            return match self.awaited_snapshot {
                None => {
                    self.stats.is_detached.store(false, Ordering::Relaxed);
                    Ok(())
                }
                Some(_) => Err(directory::Error::AwaitsSnapshot.into()),
            };
        };
        if !self.stats.is_detached.swap(true, Ordering::Relaxed) {
            self.stats.detached.add(1);
        }
        // The segments of before are gone with their names.
        self.segment = None;
        if matches!(error, directory::Error::Detached { problem: directory::REMOVED, .. }) {
            self.directory.create_again()?;
            self.stats.bytes.set(0);
            self.stats.segments.set(0);
            self.awaited_snapshot = Some(self.stats.snapshots.get());
            self.queue.push_roll();
        }
        Err(error.into())
    }

    /// Logs the first failure, and the end of failures.
    fn set_failing(&self, error: Option<&directory::Error>) {
        let before = self.stats.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !before => {
                tracing::error!("{}; reports are rejected until the disk accepts them", error_chain(error));
            }
            None if before => tracing::info!("the journal can be written again"),
            _ => {}
        }
    }
}

/// Proxy of a batch with its identity.
fn identified(item: &Item) -> Option<&Text> {
    match item {
        Item::Batch(batch) => {
            let head = batch.raw.head();
            head.identity.as_ref().map(|_| &head.epoch_id.proxy)
        }
        Item::Change(_) | Item::Roll => None,
    }
}

fn is_empty(segment: &Segment) -> bool {
    segment.length <= segment::HEAD_BYTES as u64
}
