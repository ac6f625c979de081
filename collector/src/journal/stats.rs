//! What the journal counts about itself.
//!
//! In: events of the writer, of a start and of checkpoints. Out: counters, gauges and histograms. Always holds: reading
//! them waits for nobody.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets for the time of a commit, microseconds.
pub const COMMIT_US: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000];
/// Upper bounds of the buckets for the batches of a commit.
pub const COMMIT_BATCHES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// A number that goes up, or up and down.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub fn add(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    /// Takes away.
    pub fn take(&self, value: u64) {
        self.0.fetch_sub(value, Ordering::Relaxed);
    }

    /// Replaces.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Values in buckets.
#[derive(Debug)]
pub struct Buckets {
    bounds: [u64; 11],
    counts: [Count; 12],
    sum: Count,
}

impl Buckets {
    fn new(bounds: [u64; 11]) -> Self {
        Self { bounds, counts: Default::default(), sum: Count::default() }
    }

    /// Counts a value.
    pub fn record(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.add(1);
        }
        self.sum.add(value);
    }

    /// Bounds with how many values were at most as large; the last has no bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = self.bounds.into_iter().map(Some).chain([None]);
        let sums = self.counts.iter().scan(0_u64, |sum, count| {
            *sum = sum.saturating_add(count.get());
            Some(*sum)
        });
        bounds.zip(sums)
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }
}

/// Counters since the start, and gauges.
#[derive(Debug)]
pub struct Stats {
    /// Bytes of all segments.
    pub bytes: Count,
    /// Segments.
    pub segments: Count,
    /// The bound on `bytes`.
    pub bytes_max: u64,
    /// Whether the last attempt to write failed.
    pub failing: AtomicBool,
    /// Batches that were committed.
    pub batches: Count,
    /// Attempts to write or sync that failed.
    pub append_errors: Count,
    /// Time from the begin of a write to the end of its sync, by commit.
    pub commit_us: Buckets,
    /// Batches by commit.
    pub commit_batches: Buckets,
    /// Bytes of batches that wait for their commit, or to be counted.
    pub waiting_bytes: Count,
    /// Batches that the start took from the journal.
    pub replayed_batches: Count,
    /// Batches of the journal that the start could not take.
    pub replay_refused: Count,
    /// Batches of the journal whose records broke a rule when they came, too.
    pub replay_refused_again: Count,
    /// Time of the start, from the checkpoint to the last entry.
    pub replay_us: Count,
    /// Bytes that the start cut off the end of the journal.
    pub torn_bytes: Count,
    /// Damaged places that the start skipped.
    pub corrupt_records: Count,
    /// Their bytes.
    pub corrupt_bytes: Count,
    /// Checkpoints that were written.
    pub checkpoints: Count,
    /// Attempts to write one that failed.
    pub checkpoint_errors: Count,
    /// Size of the last one.
    pub checkpoint_bytes: Count,
    /// How long the last one held the rooms up.
    pub checkpoint_pause_us: Count,
}

impl Stats {
    /// Nothing yet.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let zero = Count::default;
        Self {
            bytes: zero(),
            segments: zero(),
            bytes_max,
            failing: AtomicBool::new(false),
            batches: zero(),
            append_errors: zero(),
            commit_us: Buckets::new(COMMIT_US),
            commit_batches: Buckets::new(COMMIT_BATCHES),
            waiting_bytes: zero(),
            replayed_batches: zero(),
            replay_refused: zero(),
            replay_refused_again: zero(),
            replay_us: zero(),
            torn_bytes: zero(),
            corrupt_records: zero(),
            corrupt_bytes: zero(),
            checkpoints: zero(),
            checkpoint_errors: zero(),
            checkpoint_bytes: zero(),
            checkpoint_pause_us: zero(),
        }
    }

    /// One commit.
    pub fn committed(&self, batches: u64, took: Duration) {
        self.batches.add(batches);
        self.commit_batches.record(batches);
        self.commit_us.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}
