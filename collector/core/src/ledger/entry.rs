//! Ledger entry of one proxy.
//!
//! In: the entries of its epochs.
//! Out: the terms of the conservation equation.
//! Invariant: the equation holds, because the last term is the difference of the others.

use crate::batch::{DropReason, RowReason};
use crate::snapshot::codec::snapshot;
use std::collections::BTreeMap;

/// Counts of one proxy: `seen = delivered + folded + dropped + missing + in_flight + unaccounted`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Epochs of the proxy: one per worker thread that reported, more after a restart.
    pub epochs: u64,
    /// Finished requests that the filter saw.
    pub seen: u64,
    /// Requests counted from single records.
    pub delivered: u64,
    /// Requests counted from fold rows.
    pub folded: u64,
    /// Dropped requests, which are never counted, by reason.
    pub drops: BTreeMap<DropReason, u64>,
    /// Requests that were sent and had not arrived when their epoch was closed.
    pub missing: u64,
    /// Requests buffered in the filter.
    pub in_flight: u64,
    /// Duplicate batches.
    pub duplicates: u64,
    /// Batches below the highest number that were not received: in transit, or rejected.
    pub batches_missing: u64,
    /// Requests in batches with an earlier unacknowledged attempt. Another collector may have
    /// counted them as well.
    pub uncertain: u64,
    /// Batches with an earlier unacknowledged attempt.
    pub uncertain_batches: u64,
    /// Requests whose time was outside the limits, and was moved into them.
    pub moved: u64,
    /// Rejected rows of all tables by reason. Their requests are among the drops.
    pub rejected_rows: BTreeMap<RowReason, u64>,
}

snapshot!(struct Entry {
    epochs, seen, delivered, folded, drops, missing, in_flight, duplicates, batches_missing, uncertain,
    uncertain_batches, moved, rejected_rows,
});

impl Entry {
    /// Returns the number of dropped requests.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the requests of open epochs that were sent and have not arrived. A negative number
    /// means that requests were counted twice.
    #[must_use]
    pub fn unaccounted(&self) -> i64 {
        let known = [self.delivered, self.folded, self.dropped(), self.missing, self.in_flight];
        let known = known.into_iter().fold(0_i128, |sum, count| sum + i128::from(count));
        let left = i128::from(self.seen) - known;
        i64::try_from(left).unwrap_or(if left < 0 { i64::MIN } else { i64::MAX })
    }

    /// Moves the requests in flight to the drops, and the unaccounted ones to `missing`: no further
    /// batch of the epoch is expected.
    pub(super) fn close(&mut self) {
        let buffered = std::mem::take(&mut self.in_flight);
        if buffered > 0 {
            let ended = self.drops.entry(DropReason::EpochEnded).or_default();
            *ended = ended.saturating_add(buffered);
        }
        self.missing = self.missing.saturating_add(u64::try_from(self.unaccounted()).unwrap_or(0));
    }

    /// Adds the entry of another epoch of the same proxy.
    pub fn add(&mut self, other: &Self) {
        let sum = |mine: &mut u64, theirs: u64| *mine = mine.saturating_add(theirs);
        sum(&mut self.epochs, other.epochs);
        sum(&mut self.seen, other.seen);
        sum(&mut self.delivered, other.delivered);
        sum(&mut self.folded, other.folded);
        sum(&mut self.missing, other.missing);
        sum(&mut self.in_flight, other.in_flight);
        sum(&mut self.duplicates, other.duplicates);
        sum(&mut self.batches_missing, other.batches_missing);
        sum(&mut self.uncertain, other.uncertain);
        sum(&mut self.uncertain_batches, other.uncertain_batches);
        sum(&mut self.moved, other.moved);
        for (reason, rows) in &other.rejected_rows {
            sum(self.rejected_rows.entry(*reason).or_default(), *rows);
        }
        for (reason, count) in &other.drops {
            sum(self.drops.entry(*reason).or_default(), *count);
        }
    }
}
