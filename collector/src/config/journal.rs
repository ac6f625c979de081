//! Section `journal`.

use super::section::section;
use super::value::choice;
use crate::journal::Durability;
use std::path::PathBuf;

choice!(Durability { Disk: "disk", Memory: "memory" });

section! {
    /// What survives the process: acknowledged reports on disk, and the state that they led to.
    "journal": Journal {
        /// Folder of the journal and the checkpoint; each collector needs its own.
        data_dir: Option<PathBuf> = None, { option: "data-dir" };
        /// Whether an acknowledged report is on disk, or in memory only; by default on disk when there is a folder.
        durability: Option<Durability> = None, { option: "durability" };
        /// Disk space for the journal; the checkpoint comes on top, twice while it is written.
        bytes_max: u64 = 1 << 30, { unit: "bytes", range: (1 << 20, 1 << 40) };
        /// Least time between the beginnings of two commits: what comes meanwhile goes to disk together, since a commit costs the
        /// same for one report as for many. After a pause a report waits for nothing. 0 to commit as often as the disk can.
        commit_interval_ms: u64 = 8, { option: "commit-interval-ms", unit: "ms", range: (0, 1_000) };
        /// Time between two checkpoints; the longer, the more a start has to read again.
        snapshot_interval_ms: u64 = 60_000,
            { option: "snapshot-interval-ms", unit: "ms", range: (100, 3_600_000) };
    }
}

/// On disk needs a folder.
pub(super) fn conflicts(journal: &Journal) -> Vec<(&'static str, String)> {
    match journal {
        Journal { durability: Some(Durability::Disk), data_dir: None, .. } => {
            vec![("journal.durability", "disk needs a folder, journal.data_dir".to_owned())]
        }
        _ => Vec::new(),
    }
}
