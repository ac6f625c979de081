//! Counters, gauges and histograms of the journal.
//!
//! Invariant: a reader waits for no lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets for the duration of a commit, microseconds.
pub const COMMIT_US: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000];
/// Upper bounds of the buckets for the batches of a commit.
pub const COMMIT_BATCHES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// Counter or gauge.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to the value.
    pub fn add(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    /// Subtracts from the value.
    pub fn sub(&self, value: u64) {
        self.0.fetch_sub(value, Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns the value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Histogram with fixed buckets.
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
        let index = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(index) {
            count.add(1);
        }
        self.sum.add(value);
    }

    /// Number of values up to each bound; the last bucket has no bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = self.bounds.into_iter().map(Some).chain([None]);
        let sums = self.counts.iter().scan(0_u64, |sum, count| {
            *sum = sum.saturating_add(count.get());
            Some(*sum)
        });
        bounds.zip(sums)
    }

    /// Sum of all values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }
}

/// Counters since the start, and gauges.
#[derive(Debug)]
pub struct JournalStats {
    /// Bytes of all segments.
    pub bytes: Count,
    /// Segments on disk.
    pub segments: Count,
    /// Limit on `bytes`.
    pub bytes_max: u64,
    /// Limit on `bytes` that the free space of the disk allows, at most `bytes_max`.
    pub bytes_limit: Count,
    /// Free bytes of the disk at the last check.
    pub disk_free_bytes: Count,
    /// Times that the directory was found removed or replaced.
    pub detached: Count,
    /// Whether the last attempt to write failed.
    pub failing: AtomicBool,
    /// Whether the directory is no longer at its path, or no longer locked.
    pub is_detached: AtomicBool,
    /// Committed batches.
    pub batches: Count,
    /// Failed attempts to write or sync.
    pub append_errors: Count,
    /// Duration of a commit, from its write to the end of its sync.
    pub commit_us: Buckets,
    /// Batches of a commit.
    pub commit_batches: Buckets,
    /// Bytes of batches between receipt and application.
    pub queue_bytes: Count,
    /// Batches that the start replayed.
    pub replayed_batches: Count,
    /// Entries of the journal that the start could not read.
    pub replay_rejected: Count,
    /// Batches that the start could not count, because the entry with the identity of their proxy is
    /// damaged.
    pub replay_unidentified: Count,
    /// Batches of the journal that were rejected at receipt as well.
    pub replay_invalid_batches: Count,
    /// Duration of the replay, snapshot included.
    pub replay_us: Count,
    /// Incomplete bytes that the start cut off the end of the journal.
    pub torn_bytes: Count,
    /// Damaged ranges that the start skipped.
    pub corrupt_records: Count,
    /// Bytes of the damaged ranges.
    pub corrupt_bytes: Count,
    /// Written snapshots.
    pub snapshots: Count,
    /// Failed attempts to write a snapshot.
    pub snapshot_errors: Count,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: Count,
    /// Time for which the last snapshot held the engine.
    pub snapshot_pause_us: Count,
}

impl JournalStats {
    /// Returns counters at zero.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let zero = Count::default;
        let bytes_limit = zero();
        bytes_limit.set(bytes_max);
        Self {
            bytes_limit,
            disk_free_bytes: zero(),
            detached: zero(),
            bytes: zero(),
            segments: zero(),
            bytes_max,
            failing: AtomicBool::new(false),
            is_detached: AtomicBool::new(false),
            batches: zero(),
            append_errors: zero(),
            commit_us: Buckets::new(COMMIT_US),
            commit_batches: Buckets::new(COMMIT_BATCHES),
            queue_bytes: zero(),
            replayed_batches: zero(),
            replay_rejected: zero(),
            replay_unidentified: zero(),
            replay_invalid_batches: zero(),
            replay_us: zero(),
            torn_bytes: zero(),
            corrupt_records: zero(),
            corrupt_bytes: zero(),
            snapshots: zero(),
            snapshot_errors: zero(),
            snapshot_bytes: zero(),
            snapshot_pause_us: zero(),
        }
    }

    /// Counts a commit.
    pub fn count_commit(&self, batches: u64, duration: Duration) {
        self.batches.add(batches);
        self.commit_batches.record(batches);
        self.commit_us.record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }
}
