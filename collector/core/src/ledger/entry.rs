//! What the books say of one proxy.
//!
//! In: the books of its epochs. Out: the terms of the equation. Always holds: it adds up, since the last term is what the
//! others leave over.

use crate::batch::DropReason;
use crate::snapshot::codec::snapshot;
use std::collections::BTreeMap;

/// `seen = delivered + folded + dropped + missing + in_flight + unaccounted`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Epochs of the proxy: one per worker thread that reported, more after a restart.
    pub epochs: u64,
    /// Finished requests that the filter saw.
    pub seen: u64,
    /// Those counted here one by one.
    pub delivered: u64,
    /// Those counted here as parts of fold rows.
    pub folded: u64,
    /// Those that will never be counted, by reason.
    pub drops: BTreeMap<DropReason, u64>,
    /// Those that were sent and had not arrived when their book was closed.
    pub missing: u64,
    /// Those that wait in the filter.
    pub in_flight: u64,
    /// Batches that came again.
    pub duplicates: u64,
    /// Batches below the highest number that have not come: on their way, or refused.
    pub batches_missing: u64,
    /// Requests counted here in batches of which an earlier attempt went unanswered: another collector may count them, too.
    pub uncertain: u64,
    /// Those batches.
    pub uncertain_batches: u64,
}

snapshot!(struct Entry {
    epochs, seen, delivered, folded, drops, missing, in_flight, duplicates, batches_missing, uncertain,
    uncertain_batches,
});

impl Entry {
    /// Requests that will never be counted.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Requests that were sent and have not arrived, in books that are open. Negative would mean that something was counted twice.
    #[must_use]
    pub fn unaccounted(&self) -> i64 {
        let known = [self.delivered, self.folded, self.dropped(), self.missing, self.in_flight];
        let known = known.into_iter().fold(0_i128, |sum, count| sum + i128::from(count));
        let left = i128::from(self.seen) - known;
        i64::try_from(left).unwrap_or(if left < 0 { i64::MIN } else { i64::MAX })
    }

    /// Settles what is open, since nothing more will come of it.
    pub(super) fn close(&mut self) {
        let waited = std::mem::take(&mut self.in_flight);
        if waited > 0 {
            let ended = self.drops.entry(DropReason::EpochEnded).or_default();
            *ended = ended.saturating_add(waited);
        }
        self.missing = self.missing.saturating_add(u64::try_from(self.unaccounted()).unwrap_or(0));
    }

    /// Adds what another book of the same proxy says.
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
        for (reason, count) in &other.drops {
            sum(self.drops.entry(*reason).or_default(), *count);
        }
    }
}
