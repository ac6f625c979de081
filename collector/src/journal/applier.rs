//! The one task that puts before the rooms what is on disk.
//!
//! In: groups, as the writer is done with them. Out: answers; from time to time a checkpoint. Always holds: reports are
//! counted in the order in which they are on disk; the rooms are locked for [`CHUNK`] reports at a time; a checkpoint is
//! made between two groups, and the segments that it replaces go only after it is on disk; one checkpoint is written at a time, and
//! a failed one costs nothing but disk space.

use super::Settings;
use super::chain;
use super::directory::{self, Folder};
use super::queue::{Item, Queue};
use super::stats::Stats;
use super::writer::Written;
use crate::runtime::engine_handle::EngineHandle;
use hopscope_core::batch::Record;
use hopscope_core::engine::snapshot::{self, PIECE_BYTES, Piece};
use hopscope_core::intake::reject::Rejection;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Items for which the rooms stay locked. Their answers leave together: with fewer, a connection is written to more often.
const CHUNK: usize = 256;
/// Without reports every so many intervals have a checkpoint, so that ticks do not pile up.
const IDLE_INTERVALS: u32 = 15;
/// After a failed checkpoint the next one waits at least so long.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Applier {
    state: Arc<EngineHandle>,
    folder: Arc<Folder>,
    queue: Arc<Queue>,
    stats: Arc<Stats>,
    interval: Duration,
    /// Whether a roll is asked for, or a checkpoint being written.
    busy: bool,
    /// The earliest time of the next checkpoint that a full journal asks for.
    not_before: Instant,
    /// Batches that the last checkpoint holds, of those counted in `stats.batches`.
    held: u64,
    /// Intervals since the last checkpoint.
    idle: u32,
    writing: Option<JoinHandle<bool>>,
    /// Memory for the records of a message.
    room: Vec<Record>,
}

impl Applier {
    pub(super) fn new(
        state: Arc<EngineHandle>,
        folder: Arc<Folder>,
        queue: Arc<Queue>,
        stats: Arc<Stats>,
        settings: &Settings,
    ) -> Self {
        Self {
            state,
            folder,
            queue,
            stats,
            interval: settings.snapshot_interval(),
            busy: false,
            not_before: Instant::now(),
            held: 0,
            idle: 0,
            writing: None,
            room: Vec::new(),
        }
    }

    /// Works until the writer ends.
    pub(super) async fn run(mut self, mut groups: mpsc::Receiver<Written>) {
        // What the start took up need not be taken up again.
        self.due();
        let mut due = tokio::time::interval_at(tokio::time::Instant::now() + self.interval, self.interval);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                written = groups.recv() => match written {
                    Some(Written::Group(items, outcome)) => self.group(items, &outcome).await,
                    Some(Written::Rolled(resume)) => self.rolled(resume).await,
                    None => break,
                },
                _ = due.tick() => self.due(),
                outcome = finished(&mut self.writing) => self.written(outcome),
            }
        }
        if let Some(writing) = self.writing.take() {
            self.written(writing.await.unwrap_or(false));
        }
    }

    async fn group(&mut self, items: Vec<Item>, outcome: &Result<(), Rejection>) {
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            self.chunk(items.by_ref().take(CHUNK), outcome);
            tokio::task::yield_now().await;
        }
        let is_half_full = self.stats.bytes.get() > self.stats.bytes_max / 2;
        if is_half_full && Instant::now() >= self.not_before {
            self.roll();
        }
    }

    fn chunk(&mut self, items: impl Iterator<Item = Item>, outcome: &Result<(), Rejection>) {
        let mut answers = Vec::with_capacity(CHUNK);
        let mut engine = self.state.engine();
        for item in items {
            match item {
                Item::QueuedBatch(mut batch) => {
                    let on_disk = outcome.clone();
                    let taken = on_disk.and_then(|()| engine.accept(&mut batch.arrival, &mut self.room));
                    answers.push((batch, taken));
                }
                Item::Tick(now_us) => engine.tick(now_us),
                Item::Roll => {}
            }
        }
        drop(engine);
        for (batch, taken) in answers {
            self.queue.done(&batch);
            // Whoever asked may be gone; the batch is counted all the same.
            let _ = batch.reply.send(taken);
        }
    }

    fn due(&mut self) {
        self.idle = self.idle.saturating_add(1);
        if self.batches() > self.held || self.idle >= IDLE_INTERVALS {
            self.roll();
        }
    }

    /// Batches of this life, and those that the start took up.
    fn batches(&self) -> u64 {
        self.stats.batches.get().saturating_add(self.stats.replayed_batches.get())
    }

    fn roll(&mut self) {
        if !self.busy {
            self.busy = true;
            self.queue.roll();
        }
    }

    async fn rolled(&mut self, resume: Option<u64>) {
        if let Some(writing) = self.writing.take() {
            self.written(writing.await.unwrap_or(false));
        }
        let Some(resume) = resume else { return self.written(false) };
        self.held = self.batches();
        self.idle = 0;
        let (folder, stats) = (self.folder.clone(), self.stats.clone());
        let (told, pieces) = std::sync::mpsc::channel();
        let (emptied, spare) = std::sync::mpsc::channel();
        self.busy = true;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let kept = keep(&folder, pieces.iter(), &emptied, resume, &stats);
            let told = |error: &directory::Error| tracing::error!("{}; the journal keeps all", chain(error));
            kept.inspect_err(told).is_ok()
        }));
        // Who writes may be slower, or have failed: nobody waits for that here.
        let sink = move |piece: Piece| {
            let _ = told.send(piece);
            spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 4)))
        };
        let began = Instant::now();
        snapshot::write(&self.state.engine(), resume, Box::new(sink));
        let pause = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.stats.checkpoint_pause_us.set(pause);
    }

    fn written(&mut self, good: bool) {
        self.busy = false;
        if good {
            self.stats.checkpoints.add(1);
        } else {
            self.stats.checkpoint_errors.add(1);
            self.not_before = Instant::now() + PAUSE;
            self.held = 0;
        }
    }
}

/// Writes a checkpoint, then removes what it replaces. `emptied`: whoever makes pieces may fill their memory again.
fn keep(
    folder: &Folder,
    pieces: impl Iterator<Item = Piece>,
    emptied: &Sender<Vec<u8>>,
    resume: u64,
    stats: &Stats,
) -> Result<(), directory::Error> {
    let bytes = folder.write_checkpoint(pieces, emptied)?;
    stats.checkpoint_bytes.set(bytes);
    for (number, length) in folder.segments()?.into_iter().filter(|(number, _)| *number < resume) {
        folder.remove_segment(number)?;
        stats.bytes.take(length);
        stats.segments.take(1);
    }
    Ok(())
}

/// Waits for the checkpoint that is being written, for ever when there is none.
async fn finished(writing: &mut Option<JoinHandle<bool>>) -> bool {
    match writing {
        Some(handle) => {
            let outcome = handle.await.unwrap_or(false);
            *writing = None;
            outcome
        }
        None => std::future::pending().await,
    }
}
