//! Settings in force, and results of reloads.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Result of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// New settings are in force, except those that need a restart.
    Applied,
    /// The settings are unchanged.
    Unchanged,
    /// The settings are invalid, and the old ones stay in force.
    Rejected,
}

impl Reload {
    /// All results, with the value of the label `result`.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Applied, "applied"), (Self::Unchanged, "unchanged"), (Self::Rejected, "rejected")];
}

/// Copy of the state of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Numbers in force, by path of the setting.
    pub numbers: Vec<(String, u64)>,
    /// Settings that have another value in the file and need a restart.
    pub restart: usize,
    /// Whether the last load was rejected.
    pub rejected: bool,
    /// Time of the last load, microseconds since the Unix epoch.
    pub loaded_us: u64,
    /// Reloads by result, in the order of [`Reload::ALL`].
    pub reloads: [u64; Reload::ALL.len()],
}

/// State of the settings, shared.
#[derive(Debug, Default)]
pub struct Settings {
    seen: Mutex<Seen>,
}

impl Settings {
    /// Notes the settings in force.
    pub fn in_force(&self, numbers: Vec<(String, u64)>, restart: usize, now_us: u64) {
        let mut seen = self.lock();
        seen.numbers = numbers;
        seen.restart = restart;
        seen.rejected = false;
        seen.loaded_us = now_us;
    }

    /// Counts a reload.
    pub fn reloaded(&self, result: Reload) {
        let mut seen = self.lock();
        seen.rejected = result == Reload::Rejected;
        for ((known, _), count) in Reload::ALL.iter().zip(&mut seen.reloads) {
            *count += u64::from(*known == result);
        }
    }

    /// Returns a copy of the state.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
