//! Section `ledger`, and the limits that follow from it.

use super::HistoryLimits;
use crate::section;
use crate::settings::seconds_us;

section! {
    /// The ledger: one entry per epoch, which is the life of one filter VM.
    "ledger": Settings {
        /// Largest number of open ledger entries. For one more the longest silent entry is closed,
        /// and its counts stay. While none is silent, each service account has an equal share; a
        /// batch beyond the share is refused, and its filter sends it again later.
        epochs_max: usize = 100_000,
            { option: "epochs-max", unit: "entries", range: (1, 10_000_000), live: true };
        /// An entry without a report for this long is closed. Repeated batches are recognized for
        /// as long again; a later one counts twice, and as uncertain.
        silent_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
    }
}

/// Limits of the ledger: its settings, and limits that are not configurable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open entries: an Envoy has one per worker thread.
    pub epochs_max: usize,
    /// Age of the last batch at which an entry is closed. Repeated batches of a closed entry are
    /// recognized for as long again; a later one counts twice, and as uncertain.
    pub silent_us_max: u64,
    /// Proxies that have closed entries only.
    pub closed_max: usize,
    /// Limits of the history.
    pub history: HistoryLimits,
}

impl From<Settings> for Limits {
    fn from(settings: Settings) -> Self {
        let Settings { epochs_max, silent_s_max } = settings;
        Self {
            epochs_max,
            silent_us_max: seconds_us(silent_s_max),
            closed_max: 50_000,
            history: HistoryLimits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(Settings::default())
    }
}
