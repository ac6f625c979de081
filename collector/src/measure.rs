//! What many requests of one edge and outcome measured together.
//!
//! In: single records and fold rows. Out: a count, byte sums and [`Durations`] that can be added to others. Always
//! holds: counts are exact, whether requests came one by one or folded; sums stop at `u64::MAX` rather than wrap.

pub mod durations;

use crate::checkpoint::keep::keep;
use crate::report::{Fold, Outcome, Record, Report};
use durations::Durations;
use std::collections::HashMap;

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

    /// Adds one.
    pub(crate) fn record(&mut self, record: &Record) {
        self.durations.record(record.duration_us);
        self.request_bytes = self.request_bytes.saturating_add(record.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(record.response_bytes);
    }

    /// Adds those of a row.
    pub(crate) fn fold(&mut self, fold: &Fold) {
        self.durations.fold(&fold.durations);
        self.request_bytes = self.request_bytes.saturating_add(fold.request_bytes_sum);
        self.response_bytes = self.response_bytes.saturating_add(fold.response_bytes_sum);
    }
}

/// The requests of a report by edge (an index into [`Report::edges`]) and outcome: the rooms that follow work once per
/// group, not once per request.
#[must_use]
pub fn group(report: &Report) -> Vec<(usize, Outcome, Measure)> {
    let mut groups: HashMap<(usize, usize), Measure> = HashMap::new();
    for record in &report.records {
        groups.entry((record.edge, record.outcome)).or_default().record(record);
    }
    for fold in &report.folds {
        groups.entry((fold.edge, fold.outcome)).or_default().fold(fold);
    }
    let outcome = |index: usize| report.outcomes.get(index).copied().unwrap_or_default();
    groups.into_iter().map(|((edge, index), measure)| (edge, outcome(index), measure)).collect()
}
