//! What many requests of one edge and outcome measured together.
//!
//! In: single records and fold rows. Out: a count, byte sums and [`Durations`] that can be added to others. Always
//! holds: counts are exact, whether requests came one by one or folded; sums stop at `u64::MAX` rather than wrap.

mod buckets;
mod cells;
pub mod durations;

use crate::checkpoint::keep::keep;
use crate::report::{Fold, Record};
use durations::Durations;

/// The sum over some requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measure {
    /// Their durations, and how many they are.
    pub durations: Durations,
    /// Headers and bodies of the requests.
    pub request_bytes: u64,
    /// Headers and bodies of the responses.
    pub response_bytes: u64,
}

keep!(struct Measure { durations, request_bytes, response_bytes });

impl Measure {
    /// How many requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.durations.count()
    }

    /// Adds the requests of another.
    pub fn merge(&mut self, other: &Self) {
        self.durations.merge(&other.durations);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
    }

    /// Adds one request.
    #[inline]
    pub fn record(&mut self, record: &Record) {
        self.durations.record(record.duration_us);
        self.request_bytes = self.request_bytes.saturating_add(record.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(record.response_bytes);
    }

    /// Adds the requests of a fold row.
    pub fn fold(&mut self, fold: &Fold) {
        self.durations.fold(&fold.durations);
        self.request_bytes = self.request_bytes.saturating_add(fold.request_bytes_sum);
        self.response_bytes = self.response_bytes.saturating_add(fold.response_bytes_sum);
    }
}
