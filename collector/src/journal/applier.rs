//! Applier: the task that applies entries to the engine once they are on disk.
//!
//! In: groups of entries, after their write. Out: answers; snapshots from time to time. Invariant:
//! entries are applied in the order of the disk, and an entry that is not on disk is not applied.
//! The engine is locked for [`CHUNK`] entries at a time.

use super::Settings;
use super::directory::Directory;
use super::queue::{Item, Queue, QueuedBatch};
use super::writer::Written;
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::self_metrics::journal::JournalStats;
use hopscope_core::batch::Record;
use hopscope_core::engine::{Answer, Engine};
use hopscope_core::intake::reject::Rejection;
use snapshots::Snapshots;
use std::sync::Arc;
use tokio::sync::mpsc;

mod snapshots;

/// Entries per lock of the engine. Their answers leave together: smaller chunks mean more writes
/// per connection.
const CHUNK: usize = 256;

type Answered = (Box<QueuedBatch>, Result<Answer, Rejection>);

pub(super) struct Applier {
    cell: EngineCell,
    queue: Arc<Queue>,
    snapshots: Snapshots,
    /// Memory for the records of a batch.
    scratch: Vec<Record>,
}

impl Applier {
    pub(super) fn new(
        cell: EngineCell,
        directory: Arc<Directory>,
        queue: Arc<Queue>,
        stats: Arc<JournalStats>,
        settings: &Settings,
    ) -> Self {
        let interval = settings.snapshot_interval();
        let snapshots = Snapshots::new(cell.clone(), directory, queue.clone(), stats, interval);
        Self { cell, queue, snapshots, scratch: Vec::new() }
    }

    /// Runs until the writer ends.
    pub(super) async fn run(mut self, mut groups: mpsc::Receiver<Written>) {
        // A snapshot of the replayed batches spares the next start their replay.
        self.snapshots.due();
        let interval = self.snapshots.interval();
        let mut due = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                written = groups.recv() => match written {
                    Some(Written::Group(items, outcome)) => self.apply_group(items, &outcome).await,
                    Some(Written::Rolled(resume)) => self.snapshots.start(resume).await,
                    None => break,
                },
                _ = due.tick() => self.snapshots.due(),
                is_written = self.snapshots.finished() => self.snapshots.end(is_written),
            }
        }
        self.snapshots.join().await;
    }

    async fn apply_group(&mut self, items: Vec<Item>, outcome: &Result<(), Rejection>) {
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            self.apply_chunk(items.by_ref().take(CHUNK), outcome);
            tokio::task::yield_now().await;
        }
        self.snapshots.roll_when_half_full();
    }

    fn apply_chunk(&mut self, items: impl Iterator<Item = Item>, outcome: &Result<(), Rejection>) {
        let mut answers: Vec<Answered> = Vec::with_capacity(CHUNK);
        let scratch = &mut self.scratch;
        self.cell.change(|engine| {
            for item in items {
                apply(engine, item, outcome, scratch, &mut answers);
            }
        });
        for (batch, answer) in answers {
            self.queue.release(&batch);
            // The client may be gone; the batch is counted all the same.
            let _ = batch.reply.send(answer);
        }
    }
}

fn apply(
    engine: &mut Engine,
    item: Item,
    outcome: &Result<(), Rejection>,
    scratch: &mut Vec<Record>,
    answers: &mut Vec<Answered>,
) {
    match item {
        Item::Batch(mut batch) => {
            let answer = outcome.clone().and_then(|()| engine.accept(&mut batch.raw, scratch));
            answers.push((batch, answer));
        }
        // A change that is not on disk would be visible now and missing after a replay.
        Item::Change(change) if outcome.is_ok() => {
            if let Err(error) = change.apply(engine) {
                tracing::error!("failed to apply a change of the journal: {error}");
            }
        }
        Item::Change(_) | Item::Roll => {}
    }
}
