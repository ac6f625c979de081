//! Replay: the snapshot, then the segments after it.
//!
//! In: the directory, and a new engine. Out: the engine as it was, and the number of the next
//! segment. Invariant: entries are applied in their order, with their own times. Damage is counted,
//! logged and skipped. An incomplete end is cut off, so that the next start does not count it as
//! damage.

use super::directory::Directory;
use super::{Error, error_chain};
use crate::runtime::change_log::Change;
use crate::runtime::self_metrics::journal::JournalStats;
use hopscope_core::batch::{EpochId, Record};
use hopscope_core::engine::snapshot;
use hopscope_core::engine::{Answer, Engine};
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::snapshot::frame::{Entry, Times};
use hopscope_core::snapshot::segment::{self, Step};
use prost::bytes::Bytes;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};
use std::time::Instant;

pub(super) fn replay(directory: &Directory, engine: &mut Engine, stats: &JournalStats) -> Result<u64, Error> {
    let began = Instant::now();
    let resume = match directory.read_snapshot()? {
        Some(bytes) => {
            stats.snapshot_bytes.set(bytes.len() as u64);
            let resume = snapshot::decode(&bytes, engine);
            Some(resume.map_err(|source| Error::Snapshot { path: directory.snapshot(), source })?)
        }
        None => None,
    };
    let segments = current_segments(directory, resume, stats)?;
    let last = segments.last().copied();
    let mut replay = Replay {
        engine,
        stats,
        first_rejection: true,
        scratch: Vec::new(),
        copies: HashSet::new(),
        unidentified: 0,
    };
    for number in &segments {
        let bytes = directory.read_segment(*number)?;
        if let Some(length) = replay.segment(directory, *number, &bytes, Some(*number) == last)? {
            let torn = (bytes.len() as u64).saturating_sub(length);
            directory.cut_segment(*number, length)?;
            stats.bytes.sub(torn);
            stats.torn_bytes.add(torn);
            tracing::warn!(
                "cut {torn} bytes off {}: an incomplete entry",
                directory.segment(*number).display()
            );
        }
    }
    replay.log_unidentified();
    let duration = began.elapsed();
    stats.replay_us.set(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    let snapshot = if resume.is_some() { "the snapshot" } else { "no snapshot" };
    let batches = stats.replayed_batches.get();
    let segments = segments.len();
    tracing::info!("replayed {snapshot} and {batches} batches of {segments} segments in {duration:.1?}");
    let next = last.map_or(1, |last| last.saturating_add(1));
    Ok(next.max(resume.unwrap_or(1)))
}

/// Returns the numbers of the segments to replay. Segments that the snapshot covers are removed.
fn current_segments(
    directory: &Directory,
    resume: Option<u64>,
    stats: &JournalStats,
) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for (number, bytes) in directory.segments()? {
        if resume.is_some_and(|resume| number < resume) {
            directory.remove_segment(number)?;
        } else {
            stats.bytes.add(bytes);
            stats.segments.add(1);
            numbers.push(number);
        }
    }
    for (expected, found) in (resume.unwrap_or(1)..).zip(&numbers) {
        if expected != *found {
            stats.corrupt_records.add(1);
            tracing::error!("{} is missing; its entries are lost", directory.segment(expected).display());
            break;
        }
    }
    Ok(numbers)
}

struct Replay<'a> {
    engine: &'a mut Engine,
    stats: &'a JournalStats,
    first_rejection: bool,
    /// Memory for the records of a batch.
    scratch: Vec<Record>,
    /// Batches with an identity, which the writer may have written twice, by hash and time.
    copies: HashSet<(u64, u64)>,
    /// Batches without a known identity.
    unidentified: u64,
}

impl Replay<'_> {
    /// Replays one segment. Returns the length to cut it to, when its end is incomplete.
    fn segment(
        &mut self,
        directory: &Directory,
        number: u64,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<Option<u64>, Error> {
        let path = || directory.segment(number);
        self.copies.clear();
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
        let change = match entry {
            Entry::Batch { times, message } => return self.batch(&Bytes::copy_from_slice(message), times),
            Entry::Tick(now_us) => Change::Tick(now_us),
            Entry::EndEpoch { now_us, proxy, epoch } => {
                Change::EndEpoch { epoch_id: EpochId { proxy: proxy.into(), epoch }, now_us }
            }
            Entry::SetLimits { now_us, limits } => Change::SetLimits { limits: limits.to_vec(), now_us },
        };
        if let Err(error) = change.apply(self.engine) {
            self.reject(&error);
        }
    }

    fn batch(&mut self, message: &Bytes, times: Times) {
        let mut raw = match RawBatch::replayed(message, times) {
            Ok(raw) => raw,
            Err(rejection) => return self.reject(&rejection),
        };
        // The second of two copies; a batch that a filter repeats has a time of its own.
        let copy = (hash(message), times.received_us);
        if raw.head().identity.is_some() && !self.copies.insert(copy) {
            self.copies.remove(&copy);
            return;
        }
        match self.engine.accept(&mut raw, &mut self.scratch) {
            Ok(Answer::NeedIdentity) => {
                self.stats.replay_unidentified.add(1);
                self.unidentified += 1;
            }
            Ok(_) => self.stats.replayed_batches.add(1),
            // The same records were rejected at receipt, and the client knows.
            Err(_) => self.stats.replay_invalid_batches.add(1),
        }
    }

    /// Logs the batches that could not be counted.
    fn log_unidentified(&self) {
        if self.unidentified > 0 {
            tracing::error!(
                "{} batches are not counted, because the entries with the identity of their proxies are damaged; \
                 the ledger counts their requests as missing",
                self.unidentified
            );
        }
    }

    /// Counts an entry that cannot be applied, and logs the first.
    fn reject(&mut self, error: &dyn std::error::Error) {
        self.stats.replay_rejected.add(1);
        if std::mem::take(&mut self.first_rejection) {
            tracing::error!("failed to apply an entry of the journal: {}", error_chain(error));
        }
    }
}

fn hash(message: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(message);
    hasher.finish()
}
