//! Section `journal`.

use super::Durability;
use hopscope_core::settings::Conflict;
use hopscope_core::{choice, section};
use std::path::{Path, PathBuf};
use std::time::Duration;

choice!(Durability { Disk: "disk", Memory: "memory" });

section! {
    /// The journal of acknowledged batches and the snapshot of the state: both survive the process.
    "journal": Settings {
        /// Directory of the journal and the snapshot. Each collector needs its own.
        data_dir: Option<PathBuf> = None, { option: "data-dir" };
        /// Whether a batch is on disk or only in memory when it is acknowledged. Unset: on disk if
        /// `journal.data_dir` is set.
        durability: Option<Durability> = None, { option: "durability" };
        /// Largest size of the journal on disk. The snapshot comes on top, twice while it is
        /// written.
        bytes_max: u64 = 1 << 30, { unit: "bytes", range: (1 << 20, 1 << 40) };
        /// Free space of the disk that the journal leaves for the next snapshot, beside the size of
        /// the last one: only a snapshot frees segments. Below it reports are refused until a
        /// snapshot or an operator frees space. Unset: 64 MiB, or a quarter of a smaller disk.
        disk_reserve_bytes: Option<u64> = None, { unit: "bytes", range: (0, 1 << 50) };
        /// Shortest time between the starts of two commits. Batches that arrive in this time are
        /// written together, since a commit costs the same for one batch as for many. After an idle
        /// period the first batch is committed immediately. 0: commit as often as the disk can.
        commit_interval_ms: u64 = 8, { option: "commit-interval-ms", unit: "ms", range: (0, 1_000) };
        /// Time between two snapshots. The longer, the more of the journal a start replays.
        snapshot_interval_ms: u64 = 60_000,
            { option: "snapshot-interval-ms", unit: "ms", range: (100, 3_600_000) };
    }
    conflicts: conflicts
}

impl Settings {
    /// Directory of the journal; `None` when batches stay in memory.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.data_dir.as_deref().filter(|_| self.durability != Some(Durability::Memory))
    }

    /// Shortest time between the starts of two commits.
    pub(super) fn commit_interval(&self) -> Duration {
        Duration::from_millis(self.commit_interval_ms)
    }

    /// Time between two snapshots.
    pub(super) fn snapshot_interval(&self) -> Duration {
        Duration::from_millis(self.snapshot_interval_ms)
    }
}

fn conflicts(journal: &Settings) -> Vec<Conflict> {
    if journal.durability == Some(Durability::Disk) && journal.data_dir.is_none() {
        vec![("journal.durability", "disk needs a directory, journal.data_dir".to_owned())]
    } else {
        Vec::new()
    }
}
