//! What was acknowledged is on disk.
//!
//! In: messages that the door let in, and the passing of time. Out: the same to the rooms, in one order, each report after it
//! is on disk; at a start, the state that an earlier life had reached. Always holds: no
//! report is counted or acknowledged before it is on disk; what is replayed is what was counted, in the same order with
//! the same times, so that counters go on where they stood; a repeat passes through like any other report, and so waits
//! for what it repeats; what the disk does not take is refused, and the filter keeps it.
//!
//! ```text
//! door ─▶ queue ─▶ writer (a thread: write, sync) ─▶ applier (a task: rooms, answers, checkpoints)
//!          └ one group gathers while the last one is synced, and for a few milliseconds: one sync, one wake-up per group
//! ```
//!
//! A checkpoint is the state of the rooms between two groups. It begins a new segment, and the segments before it go: a
//! start reads the checkpoint and the segments after it. A report that is on disk but was refused or not answered may be
//! counted by the next start; its filter sends it again, and it is then a repeat. One that was refused for a single record of it
//! is refused by every start.

mod applier;
mod directory;
mod queue;
mod replay;
pub mod stats;
mod writer;
pub mod settings;

pub use settings::Settings;

use crate::runtime::engine_handle::EngineHandle;
use directory::Folder;
use hopscope_core::engine::{Answer, Engine};
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::snapshot::Unreadable;
use queue::{Queue, QueuedBatch};
use stats::Stats;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use writer::Writer;

/// No segment is larger than this, a single batch apart.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// A journal is at least so many segments, or little could be freed by a checkpoint.
const SEGMENTS_MIN: u64 = 8;
/// Groups that are on disk and not counted yet.
const GROUPS_MAX: usize = 4;

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The batch is in memory, and gone when the collector is.
    Memory,
    /// The batch is on disk.
    Disk,
}

/// Why the journal cannot be opened. The text fits "failed to serve: cannot open the journal: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] directory::Error),
    /// The state of an earlier life cannot be taken up.
    #[error(
        "failed to read the checkpoint {}; start the hopscope that wrote it, or move the whole folder away to begin \
         with nothing", path.display()
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Unreadable,
    },
    /// A segment is of another version.
    #[error("failed to read the segment {}; start the hopscope that wrote it, or move it away to lose it", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: hopscope_core::snapshot::segment::UnknownVersion,
    },
    /// The system gives no thread.
    #[error("failed to start the thread of the journal")]
    Thread(#[source] std::io::Error),
}

/// The answer to a report that is on its way to the disk.
#[derive(Debug)]
pub struct CommitAck(oneshot::Receiver<Result<Answer, Rejection>>);

impl CommitAck {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// When the report is not on disk, or one of its records breaks a rule. It was not counted; the refusal says whether the
    /// filter is to keep it.
    pub async fn answer(self) -> Result<Answer, Rejection> {
        self.0.await.unwrap_or(Err(Rejection::Stopping))
    }
}

/// The way into the journal; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: Arc<Queue>,
    stats: Arc<Stats>,
}

impl Journal {
    /// Puts a report on disk and then before the rooms, for which the answer waits.
    ///
    /// # Errors
    ///
    /// When there is no room for it: it was not counted, and the filter is to keep it.
    pub fn take(&self, arrival: RawBatch) -> Result<CommitAck, Rejection> {
        let (reply, answer) = oneshot::channel();
        self.queue.batch(Box::new(QueuedBatch { arrival, reply }))?;
        Ok(CommitAck(answer))
    }

    /// Lets time pass in the rooms, once what came before is counted.
    pub fn tick(&self, now_us: u64) {
        self.queue.tick(now_us);
    }

    /// What it counts about itself.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

/// A journal whose past is read and which does not run yet.
#[derive(Debug)]
pub struct Opened {
    settings: Settings,
    folder: Arc<Folder>,
    queue: Arc<Queue>,
    stats: Arc<Stats>,
    next: u64,
}

/// Takes the folder and brings a new engine to where the last life ended.
///
/// # Errors
///
/// When the folder cannot be used, or holds what this version cannot read. Damage is no error: it is counted, told, and
/// skipped.
pub fn open(directory: &Path, settings: Settings, engine: &mut Engine) -> Result<Opened, Error> {
    let folder = Folder::take(directory)?;
    let stats = Arc::new(Stats::new(settings.bytes_max));
    let next = replay::replay(&folder, engine, &stats)?;
    let queue = Arc::new(Queue::new(stats.clone()));
    Ok(Opened { settings, folder: Arc::new(folder), queue, stats, next })
}

impl Opened {
    /// The way in. What is put into it waits until [`Opened::run`].
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal { queue: self.queue.clone(), stats: self.stats.clone() }
    }

    /// Begins to write, and to count what is written in the rooms of `state`.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`].
    pub fn run(self, state: Arc<EngineHandle>) -> Result<Running, Error> {
        let Self { settings, folder, queue, stats, next } = self;
        let (written, groups) = mpsc::channel(GROUPS_MAX);
        let writer = Writer {
            folder: folder.clone(),
            queue: queue.clone(),
            stats: stats.clone(),
            interval: settings.commit_interval(),
            segment_bytes_max: (settings.bytes_max / SEGMENTS_MIN).min(SEGMENT_BYTES_MAX),
            next,
            segment: None,
            buffer: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || writer.run(&written)).map_err(Error::Thread)?;
        let applier = applier::Applier::new(state, folder, queue.clone(), stats, &settings);
        Ok(Running { queue, applier: tokio::spawn(applier.run(groups)) })
    }
}

/// A journal at work.
#[derive(Debug)]
pub struct Running {
    queue: Arc<Queue>,
    applier: JoinHandle<()>,
}

impl Running {
    /// Writes and counts what waits, writes a checkpoint, and ends; gives up after `patience`, which loses nothing.
    pub async fn stop(self, patience: Duration) {
        self.queue.roll();
        self.queue.close();
        if tokio::time::timeout(patience, self.applier).await.is_err() {
            tracing::warn!("no checkpoint within {} s; the next start reads the journal", patience.as_secs());
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
