//! Which settings are in force, and how reloads went.
//!
//! In: settings, results. Out: counters. Always holds: every result has a counter from the start.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// New settings are in force, as far as that needs no restart.
    Applied,
    /// They were the same.
    Unchanged,
    /// They were bad, and the old ones are in force.
    Refused,
}

impl Reload {
    /// All of them, with the value of the label `result`.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Applied, "applied"), (Self::Unchanged, "unchanged"), (Self::Refused, "refused")];
}

/// What a reader sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Numbers in force, by path of the setting.
    pub numbers: Vec<(String, u64)>,
    /// Settings that differ from those in force and take a restart.
    pub restart: usize,
    /// Whether the last load was refused.
    pub refused: bool,
    /// When settings were loaded last, microseconds since the Unix epoch.
    pub loaded_us: u64,
    /// How often a reload ended as in [`Reload::ALL`].
    pub reloads: [u64; Reload::ALL.len()],
}

/// The same, shared.
#[derive(Debug, Default)]
pub struct Settings {
    seen: Mutex<Seen>,
}

impl Settings {
    /// Settings are in force.
    pub fn in_force(&self, numbers: Vec<(String, u64)>, restart: usize, now_us: u64) {
        let mut seen = self.lock();
        seen.numbers = numbers;
        seen.restart = restart;
        seen.refused = false;
        seen.loaded_us = now_us;
    }

    /// A reload ended.
    pub fn reloaded(&self, how: Reload) {
        let mut seen = self.lock();
        seen.refused = how == Reload::Refused;
        for ((known, _), count) in Reload::ALL.iter().zip(&mut seen.reloads) {
            *count += u64::from(*known == how);
        }
    }

    /// All of it.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
