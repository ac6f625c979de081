//! Journal: acknowledged batches, and every other change of the engine, on disk.
//!
//! In: accepted batches, ticks, ends of epochs, limits. Out: the same changes, applied to the
//! engine in one order, each after it is on disk; at a start, the state of the previous process
//! run. Invariant: no change is applied or acknowledged before it is synced. A replay applies the
//! same changes in the same order with the same times, so counters continue where they stood. A
//! repeated batch passes through like any other batch, and so waits for the first one. A batch that
//! cannot be written is rejected, and the filter keeps it.
//!
//! ```text
//! grpc ─▶ queue ─▶ writer (a thread: write, sync) ─▶ applier (a task: engine, answers, snapshots)
//!          └ one group gathers during the sync of the previous one, and for a few milliseconds:
//!            one sync and one wake-up per group
//! ```
//!
//! A snapshot is the state of the engine between two groups. Each snapshot begins a new segment, and the
//! segments before it are removed: a start reads the snapshot and the segments after it. A batch
//! that is on disk but was not answered may be counted by the next start; its filter sends it
//! again, as a repeat. A batch that was rejected for one of its records is rejected by
//! every replay.

mod applier;
mod directory;
mod queue;
mod replay;
mod writer;
pub mod settings;

pub use settings::Settings;

use crate::runtime::change_log::{Change, ChangeLog, CommitAck};
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::self_metrics::journal::JournalStats;
use directory::Directory;
use hopscope_core::engine::Engine;
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::snapshot::Unreadable;
use queue::{Queue, QueuedBatch};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use writer::Writer;

/// Largest segment, except for a single batch.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Least number of segments of a full journal: with fewer, a snapshot would free little.
const SEGMENTS_MIN: u64 = 8;
/// Groups that are on disk and not applied yet.
const GROUPS_MAX: usize = 4;

/// Promise of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The batch is in memory, and is lost with the process.
    Memory,
    /// The batch is on disk.
    Disk,
}

/// Error of opening the journal. The text fits "failed to serve: cannot open the journal: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The snapshot cannot be read.
    #[error(
        "failed to read the snapshot {}; start the hopscope that wrote it, or move the whole directory away to start \
         with an empty state", path.display()
    )]
    Snapshot {
        /// File of the snapshot.
        path: PathBuf,
        /// Cause.
        source: Unreadable,
    },
    /// A segment is of another version.
    #[error(
        "failed to read the segment {}; start the hopscope that wrote it, or move it away to lose its batches",
        path.display()
    )]
    Segment {
        /// File of the segment.
        path: PathBuf,
        /// Cause.
        source: hopscope_core::snapshot::segment::UnknownVersion,
    },
    /// The thread of the writer cannot be started.
    #[error("failed to start the thread of the journal")]
    Thread(#[source] std::io::Error),
}

/// Input side of the journal; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: Arc<Queue>,
}

impl ChangeLog for Journal {
    fn submit(&self, raw: RawBatch) -> Result<CommitAck, Rejection> {
        let (reply, ack) = CommitAck::pending();
        self.queue.push_batch(Box::new(QueuedBatch { raw, reply }))?;
        Ok(ack)
    }

    fn record(&self, change: Change) {
        self.queue.push_change(change);
    }
}

/// Journal after its replay, before it runs.
#[derive(Debug)]
pub struct OpenedJournal {
    settings: Settings,
    directory: Arc<Directory>,
    queue: Arc<Queue>,
    stats: Arc<JournalStats>,
    next: u64,
}

/// Locks the directory and brings a new engine to the state of the previous process run.
///
/// # Errors
///
/// When the directory cannot be used, or holds files of another version. Damage is no error: it is
/// counted, logged and skipped.
pub fn open(data_dir: &Path, settings: Settings, engine: &mut Engine) -> Result<OpenedJournal, Error> {
    let directory = Directory::lock(data_dir)?;
    let stats = Arc::new(JournalStats::new(settings.bytes_max));
    let next = replay::replay(&directory, engine, &stats)?;
    let queue = Arc::new(Queue::new(stats.clone()));
    Ok(OpenedJournal { settings, directory: Arc::new(directory), queue, stats, next })
}

impl OpenedJournal {
    /// Input side. Its entries wait until [`OpenedJournal::run`].
    #[must_use]
    pub fn log(&self) -> Journal {
        Journal { queue: self.queue.clone() }
    }

    /// Counters of the journal.
    #[must_use]
    pub fn stats(&self) -> Arc<JournalStats> {
        self.stats.clone()
    }

    /// Starts to write entries, and to apply them to the engine of `cell`.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`].
    pub fn run(self, cell: EngineCell) -> Result<Running, Error> {
        let Self { settings, directory, queue, stats, next } = self;
        let (written, groups) = mpsc::channel(GROUPS_MAX);
        let writer = Writer::new(directory.clone(), queue.clone(), stats.clone(), &settings, next);
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || writer.run(&written)).map_err(Error::Thread)?;
        let applier = applier::Applier::new(cell, directory, queue.clone(), stats, &settings);
        Ok(Running { queue, applier: tokio::spawn(applier.run(groups)) })
    }
}

/// Running journal.
#[derive(Debug)]
pub struct Running {
    queue: Arc<Queue>,
    applier: JoinHandle<()>,
}

impl Running {
    /// Writes and applies the queue, writes a snapshot, and ends. Gives up after `timeout`, which
    /// loses nothing.
    pub async fn stop(self, timeout: Duration) {
        self.queue.push_roll();
        self.queue.close();
        if tokio::time::timeout(timeout, self.applier).await.is_err() {
            tracing::warn!("no snapshot within {} s; the next start replays the journal", timeout.as_secs());
        }
    }
}

/// Text of an error with its causes.
fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
