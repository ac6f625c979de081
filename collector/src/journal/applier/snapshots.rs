//! Snapshots: the state of the engine on disk, from time to time.
//!
//! Invariant: a snapshot is taken between two groups. The segments that it replaces are removed
//! after it is on disk. One snapshot is written at a time, and a failed one costs disk space only.

use crate::journal::directory::{self, Directory};
use crate::journal::error_chain;
use crate::journal::queue::Queue;
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::self_metrics::journal::JournalStats;
use hopscope_core::engine::snapshot::{self, PIECE_BYTES, Piece};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Intervals without batches after which a snapshot is written all the same, so that ticks do not
/// accumulate.
const IDLE_INTERVALS: u32 = 15;
/// Least pause after a failed snapshot.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Snapshots {
    cell: EngineCell,
    directory: Arc<Directory>,
    queue: Arc<Queue>,
    stats: Arc<JournalStats>,
    interval: Duration,
    /// Whether a roll is requested, or a snapshot is being written.
    is_busy: bool,
    /// Earliest time of the next snapshot of a full journal.
    not_before: Instant,
    /// Batches in the last snapshot, in the counting of [`Self::batches`].
    covered: u64,
    /// Intervals since the last snapshot.
    idle: u32,
    writing: Option<oneshot::Receiver<bool>>,
}

impl Snapshots {
    pub(super) fn new(
        cell: EngineCell,
        directory: Arc<Directory>,
        queue: Arc<Queue>,
        stats: Arc<JournalStats>,
        interval: Duration,
    ) -> Self {
        let not_before = Instant::now();
        Self {
            cell,
            directory,
            queue,
            stats,
            interval,
            is_busy: false,
            not_before,
            covered: 0,
            idle: 0,
            writing: None,
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Requests a snapshot when batches came since the last one, or after many intervals.
    pub(super) fn due(&mut self) {
        self.idle = self.idle.saturating_add(1);
        if self.batches() > self.covered || self.idle >= IDLE_INTERVALS {
            self.roll();
        }
    }

    pub(super) fn roll_when_half_full(&mut self) {
        let is_half_full = self.stats.bytes.get() > self.stats.bytes_limit.get() / 2;
        if is_half_full && Instant::now() >= self.not_before {
            self.roll();
        }
    }

    /// Batches of this process run, replayed ones included.
    fn batches(&self) -> u64 {
        self.stats.batches.get().saturating_add(self.stats.replayed_batches.get())
    }

    fn roll(&mut self) {
        if !self.is_busy {
            self.is_busy = true;
            self.queue.push_roll();
        }
    }

    /// Encodes the engine, which holds all segments before `resume`, and starts to write it.
    pub(super) async fn start(&mut self, resume: Option<u64>) {
        self.join().await;
        let Some(resume) = resume else { return self.end(false) };
        self.covered = self.batches();
        self.idle = 0;
        let (directory, stats) = (self.directory.clone(), self.stats.clone());
        let (pieces, received) = std::sync::mpsc::channel();
        let (returned, spare) = std::sync::mpsc::channel();
        self.is_busy = true;
        let (ended, writing) = oneshot::channel();
        self.writing = Some(writing);
        // A thread of its own, so that no other work of the process delays a snapshot.
        let thread = std::thread::Builder::new().name("snapshot".into()).spawn(move || {
            let written = write(&directory, received.iter(), &returned, resume, &stats);
            let log = |error: &directory::Error| {
                tracing::error!("{}; the journal keeps all segments", error_chain(error));
            };
            // The applier may have ended.
            let _ = ended.send(written.inspect_err(log).is_ok());
        });
        if let Err(error) = thread {
            tracing::error!("failed to start the thread of the snapshot: {error}");
            self.writing = None;
            return self.end(false);
        }
        // The thread that writes may be slower, or have failed: the engine does not wait for it.
        let sink = move |piece: Piece| {
            let _ = pieces.send(piece);
            spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 4)))
        };
        let began = Instant::now();
        self.cell.read(|engine| snapshot::write(engine, resume, Box::new(sink)));
        let pause = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.stats.snapshot_pause_us.set(pause);
    }

    /// Waits for the snapshot that is being written; for ever without one.
    pub(super) async fn finished(&mut self) -> bool {
        match &mut self.writing {
            Some(handle) => {
                let is_written = handle.await.unwrap_or(false);
                self.writing = None;
                is_written
            }
            None => std::future::pending().await,
        }
    }

    /// Waits for the snapshot that is being written, if any, and counts it.
    pub(super) async fn join(&mut self) {
        if let Some(writing) = self.writing.take() {
            let is_written = writing.await.unwrap_or(false);
            self.end(is_written);
        }
    }

    /// Counts a snapshot.
    pub(super) fn end(&mut self, is_written: bool) {
        self.is_busy = false;
        if is_written {
            self.stats.snapshots.add(1);
        } else {
            self.stats.snapshot_errors.add(1);
            self.not_before = Instant::now() + PAUSE;
            self.covered = 0;
        }
    }
}

/// Writes a snapshot, then removes the segments that it replaces. `returned`: receives the memory
/// of written pieces.
fn write(
    directory: &Directory,
    pieces: impl Iterator<Item = Piece>,
    returned: &Sender<Vec<u8>>,
    resume: u64,
    stats: &JournalStats,
) -> Result<(), directory::Error> {
    let bytes = directory.write_snapshot(pieces, returned)?;
    stats.snapshot_bytes.set(bytes);
    for (number, length) in directory.segments()?.into_iter().filter(|(number, _)| *number < resume) {
        directory.remove_segment(number)?;
        stats.bytes.sub(length);
        stats.segments.sub(1);
    }
    Ok(())
}
