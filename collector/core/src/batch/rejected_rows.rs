//! Rejected rows of a batch: rows that break a rule of the contract, with their requests.
//!
//! In: rejected rows with their reason.
//! Out: counts by reason.
//! Invariant: a batch without rejected rows takes no memory for them.

use crate::snapshot::codec::snapshot;
use std::collections::BTreeMap;

/// Reason why a row is rejected while the rest of its batch is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowReason {
    /// Edge that is invalid, or not in the table of edges.
    Edge,
    /// Outcome that is invalid, or not in the table of outcomes.
    Outcome,
    /// Duration over the limit.
    Duration,
    /// Fold row whose values contradict each other.
    Fold,
    /// Requests in flight whose counts contradict each other.
    InFlight,
}

snapshot!(enum RowReason { 1 = Edge, 2 = Outcome, 3 = Duration, 4 = Fold, 5 = InFlight });

impl RowReason {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Edge, Self::Outcome, Self::Duration, Self::Fold, Self::InFlight];

    /// Returns the value of the label `reason` of `hopscope_ledger_rejected_rows_total`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Outcome => "outcome",
            Self::Duration => "duration",
            Self::Fold => "fold",
            Self::InFlight => "in_flight",
        }
    }

    /// Returns the reason for which the requests of such rows are missing from the counts.
    #[must_use]
    pub fn drop_label(self) -> &'static str {
        match self {
            Self::Edge => "rejected_edge",
            Self::Outcome => "rejected_outcome",
            Self::Duration => "rejected_duration",
            Self::Fold => "rejected_fold",
            Self::InFlight => "rejected_in_flight",
        }
    }
}

/// Rejected rows of one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows of all tables.
    pub rows: u64,
    /// Requests in rejected single records.
    pub single: u64,
    /// Requests in rejected fold rows.
    pub folded: u64,
}

snapshot!(struct RowCounts { rows, single, folded });

impl RowCounts {
    /// Returns the number of requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.single.saturating_add(self.folded)
    }

    fn add(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.single = self.single.saturating_add(other.single);
        self.folded = self.folded.saturating_add(other.folded);
    }
}

/// Rejected rows by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectedRows {
    by_reason: BTreeMap<RowReason, RowCounts>,
}

snapshot!(struct RejectedRows { by_reason });

impl RejectedRows {
    /// Counts a row without requests.
    pub(crate) fn add_row(&mut self, reason: RowReason) {
        self.add(reason, &RowCounts { rows: 1, ..RowCounts::default() });
    }

    /// Counts a single record.
    pub(crate) fn add_record(&mut self, reason: RowReason) {
        self.add(reason, &RowCounts { rows: 1, single: 1, folded: 0 });
    }

    /// Counts a fold row of `count` requests.
    pub(crate) fn add_fold(&mut self, reason: RowReason, count: u64) {
        self.add(reason, &RowCounts { rows: 1, single: 0, folded: count });
    }

    fn add(&mut self, reason: RowReason, counts: &RowCounts) {
        self.by_reason.entry(reason).or_default().add(counts);
    }

    /// Adds the rows of another batch.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (reason, counts) in &other.by_reason {
            self.add(*reason, counts);
        }
    }

    /// Limits the folded requests to `limit`: the count of a rejected row can be the invalid value.
    pub(crate) fn limit_folded(&mut self, limit: u64) {
        let mut left = limit;
        for counts in self.by_reason.values_mut() {
            counts.folded = counts.folded.min(left);
            left = left.saturating_sub(counts.folded);
        }
    }

    /// Whether no row was rejected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_reason.is_empty()
    }

    /// Returns the counts by reason, without reasons that did not occur.
    pub fn iter(&self) -> impl Iterator<Item = (RowReason, RowCounts)> + '_ {
        self.by_reason.iter().map(|(reason, counts)| (*reason, *counts))
    }

    /// Returns the counts of all reasons together.
    #[must_use]
    pub fn total(&self) -> RowCounts {
        let mut total = RowCounts::default();
        self.by_reason.values().for_each(|counts| total.add(counts));
        total
    }
}
