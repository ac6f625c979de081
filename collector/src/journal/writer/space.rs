//! Space of the journal: its own limit, and the free space of its disk.
//!
//! In: free space. Out: the limit on the bytes of all segments. Invariant: a part of the disk stays
//! free for the next snapshot, because only a snapshot frees segments. So a full disk recovers by
//! itself.

use crate::journal::directory::{Directory, Space};
use crate::runtime::self_metrics::journal::JournalStats;
use std::time::{Duration, Instant};

/// Interval of the checks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Largest reserve by default.
const RESERVE_BYTES_MAX: u64 = 64 << 20;
/// Divisor of the size of the disk for the reserve of a small disk.
const DISK_DIVISOR: u64 = 4;

/// Watch of the free space.
#[derive(Debug)]
pub(super) struct SpaceWatch {
    reserve_bytes: Option<u64>,
    checked: Option<Instant>,
    is_low: bool,
}

impl SpaceWatch {
    /// Returns a watch. `reserve_bytes`: the setting `journal.disk_reserve_bytes`.
    pub(super) fn new(reserve_bytes: Option<u64>) -> Self {
        Self { reserve_bytes, checked: None, is_low: false }
    }

    /// Checks the disk, at most once per interval, and sets the limit on the bytes of all segments.
    pub(super) fn check(&mut self, directory: &Directory, stats: &JournalStats) {
        if self.checked.is_some_and(|checked| checked.elapsed() < INTERVAL) {
            return;
        }
        self.checked = Some(Instant::now());
        let Some(space) = directory.space() else { return };
        let reserve = self.reserve(space, stats.snapshot_bytes.get());
        let limit = limit(stats.bytes_max, stats.bytes.get(), space.free_bytes, reserve);
        stats.disk_free_bytes.set(space.free_bytes);
        stats.bytes_limit.set(limit);
        let is_low = limit < stats.bytes_max;
        if is_low && !self.is_low {
            let (free, wanted) = (space.free_bytes, stats.bytes_max);
            tracing::warn!(
                "the disk of {} has {free} bytes free, too few for journal.bytes_max ({wanted}) and a reserve of \
                 {reserve} bytes for the next snapshot; enlarge it or lower journal.bytes_max",
                directory.snapshot().display()
            );
        }
        self.is_low = is_low;
    }

    /// Bytes to leave free: for the next snapshot, and for other files.
    fn reserve(&self, space: Space, snapshot_bytes: u64) -> u64 {
        let fixed = self.reserve_bytes.unwrap_or(RESERVE_BYTES_MAX.min(space.total_bytes / DISK_DIVISOR));
        // The next snapshot may be larger than the last one.
        fixed.saturating_add(snapshot_bytes).saturating_add(snapshot_bytes / 4)
    }
}

/// Limit on the bytes of all segments, which have `bytes` now.
fn limit(bytes_max: u64, bytes: u64, free_bytes: u64, reserve_bytes: u64) -> u64 {
    bytes_max.min(bytes.saturating_add(free_bytes.saturating_sub(reserve_bytes)))
}

#[cfg(test)]
mod tests {
    use super::{Space, SpaceWatch, limit};

    #[test]
    fn a_small_disk_lowers_the_limit_and_keeps_a_reserve() {
        const MIB: u64 = 1 << 20;
        assert_eq!(limit(1_024 * MIB, 10 * MIB, 5_000 * MIB, 64 * MIB), 1_024 * MIB);
        assert_eq!(limit(1_024 * MIB, 10 * MIB, 100 * MIB, 64 * MIB), 46 * MIB);
        assert_eq!(limit(1_024 * MIB, 10 * MIB, 64 * MIB, 64 * MIB), 10 * MIB, "nothing more is written");
        assert_eq!(limit(1_024 * MIB, 10 * MIB, 0, 64 * MIB), 10 * MIB);
        let disk = |mib: u64| Space { free_bytes: 0, total_bytes: mib * MIB };
        let reserve =
            |setting, mib, snapshot| SpaceWatch::new(setting).reserve(disk(mib), snapshot * MIB) / MIB;
        assert_eq!(reserve(None, 10_000, 0), 64);
        assert_eq!(reserve(None, 100, 0), 25);
        assert_eq!(reserve(None, 100, 8), 35);
        assert_eq!(reserve(Some(7 * MIB), 100, 0), 7);
    }
}
