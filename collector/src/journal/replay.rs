//! A start: the checkpoint, then the segments after it.
//!
//! In: the folder, and new rooms. Out: the rooms as they were, and the number of the next segment. Always holds: entries
//! come in the order in which they were counted, with their own times; damage is counted, told and skipped; what is torn
//! at the end is cut off, so that the next start does not take it for damage.

use super::directory::Folder;
use super::stats::Stats;
use super::{Error, chain};
use hopscope_core::batch::Record;
use hopscope_core::engine::Engine;
use hopscope_core::engine::snapshot;
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::snapshot::frame::Entry;
use hopscope_core::snapshot::segment::{self, Step};
use prost::bytes::Bytes;
use std::time::Instant;

pub(super) fn replay(folder: &Folder, engine: &mut Engine, stats: &Stats) -> Result<u64, Error> {
    let began = Instant::now();
    let resume = match folder.read_checkpoint()? {
        Some(bytes) => {
            stats.checkpoint_bytes.set(bytes.len() as u64);
            let resume = snapshot::decode(&bytes, engine);
            Some(resume.map_err(|source| Error::Checkpoint { path: folder.checkpoint(), source })?)
        }
        None => None,
    };
    let segments = current(folder, resume, stats)?;
    let last = segments.last().copied();
    let mut replay = Replay { engine, stats, first_refusal: true, room: Vec::new() };
    for number in &segments {
        let bytes = folder.read_segment(*number)?;
        if let Some(length) = replay.segment(folder, *number, &bytes, Some(*number) == last)? {
            let torn = (bytes.len() as u64).saturating_sub(length);
            folder.cut_segment(*number, length)?;
            stats.bytes.take(torn);
            stats.torn_bytes.add(torn);
            tracing::warn!("cut {torn} bytes off {}: no whole entry", folder.segment(*number).display());
        }
    }
    let took = began.elapsed();
    stats.replay_us.set(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    let checkpoint = if resume.is_some() { "the checkpoint" } else { "no checkpoint" };
    let batches = stats.replayed_batches.get();
    tracing::info!("took up {checkpoint} and {batches} batches of {} segments in {took:.1?}", segments.len());
    let next = last.map_or(1, |last| last.saturating_add(1));
    Ok(next.max(resume.unwrap_or(1)))
}

/// The numbers of the segments to read. Those that the checkpoint holds are removed.
fn current(folder: &Folder, resume: Option<u64>, stats: &Stats) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for (number, bytes) in folder.segments()? {
        if resume.is_some_and(|resume| number < resume) {
            folder.remove_segment(number)?;
        } else {
            stats.bytes.add(bytes);
            stats.segments.add(1);
            numbers.push(number);
        }
    }
    for (expected, found) in (resume.unwrap_or(1)..).zip(&numbers) {
        if expected != *found {
            stats.corrupt_records.add(1);
            tracing::error!("{} is missing; what it held is lost", folder.segment(expected).display());
            break;
        }
    }
    Ok(numbers)
}

struct Replay<'a> {
    engine: &'a mut Engine,
    stats: &'a Stats,
    first_refusal: bool,
    /// Memory for the records of a batch.
    room: Vec<Record>,
}

impl Replay<'_> {
    /// Takes up one segment. Returns the length to cut it to, when its end is torn.
    fn segment(
        &mut self,
        folder: &Folder,
        number: u64,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<Option<u64>, Error> {
        let path = || folder.segment(number);
        let steps = segment::scan(bytes, number).map_err(|source| Error::Segment { path: path(), source })?;
        for step in steps {
            let (first, end) = match step {
                Step::Entry(entry) => {
                    self.entry(entry);
                    continue;
                }
                Step::Torn(length) if is_last => return Ok(Some(length as u64)),
                Step::Torn(first) => (first, bytes.len()),
                Step::Corrupt(first, end) => (first, end),
            };
            self.stats.corrupt_records.add(1);
            self.stats.corrupt_bytes.add(end.saturating_sub(first) as u64);
            tracing::error!("bytes {first} to {end} of {} are damaged; skipped", path().display());
        }
        Ok(None)
    }

    fn entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Tick(now_us) => self.engine.tick(now_us),
            Entry::Batch { times, message } => {
                match RawBatch::again(&Bytes::copy_from_slice(message), times) {
                    Ok(mut arrival) => match self.engine.accept(&mut arrival, &mut self.room) {
                        Ok(_) => self.stats.replayed_batches.add(1),
                        // Its records were what they are when it came, too: whoever sent it was told.
                        Err(_) => self.stats.replay_refused_again.add(1),
                    },
                    Err(refusal) => {
                        self.stats.replay_refused.add(1);
                        if std::mem::take(&mut self.first_refusal) {
                            tracing::error!("failed to take a batch of the journal: {}", chain(&refusal));
                        }
                    }
                }
            }
        }
    }
}
