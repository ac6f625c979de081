//! The books of one epoch.
//!
//! In: what happened to requests. Out: the running totals that every batch carries. Always holds, since every change
//! here increments a count from one place to another: `seen = sent + folded + dropped + buffered`.

use crate::batch::encode::EncodedMessage;
use hopscope_proto::v1::DropReason;

/// FailureReason requests were given up; the order is that of [`Ledger::dropped`].
const REASONS: [DropReason; 3] = [DropReason::FoldTableFull, DropReason::Refused, DropReason::TooLarge];

/// Where every request that the filter saw is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    seen: u64,
    sent: u64,
    folded: u64,
    dropped: [u64; REASONS.len()],
}

/// What one batch holds of the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchContent {
    /// Single records.
    pub records: u64,
    /// Requests inside fold rows.
    pub folded: u64,
}

impl BatchContent {
    /// All requests in it.
    #[must_use]
    pub fn requests(self) -> u64 {
        self.records.saturating_add(self.folded)
    }
}

impl Ledger {
    /// A request ended.
    pub fn see(&mut self) {
        self.seen = self.seen.saturating_add(1);
    }

    /// A batch got its number: what it holds is on its way.
    pub fn send(&mut self, content: BatchContent) {
        self.sent = self.sent.saturating_add(content.records);
        self.folded = self.folded.saturating_add(content.folded);
    }

    /// The collector will never take a numbered batch.
    pub fn refuse(&mut self, content: BatchContent, reason: DropReason) {
        self.sent = self.sent.saturating_sub(content.records);
        self.folded = self.folded.saturating_sub(content.folded);
        self.drop(content.requests(), reason);
    }

    /// Requests that wait nowhere any more.
    pub fn drop(&mut self, count: u64, reason: DropReason) {
        for (total, _) in self.dropped.iter_mut().zip(REASONS).filter(|(_, known)| *known == reason) {
            *total = total.saturating_add(count);
        }
    }

    /// Finished requests.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Requests that were given up for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let known = self.dropped.iter().zip(REASONS).find(|(_, known)| *known == reason);
        known.map_or(0, |(total, _)| *total)
    }

    /// Requests that have no number yet and were not given up.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.seen.saturating_sub(self.gone())
    }

    /// Whether nothing stands in it twice.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.gone() <= self.seen
    }

    fn gone(&self) -> u64 {
        self.dropped.iter().fold(self.sent.saturating_add(self.folded), |a, b| a.saturating_add(*b))
    }

    /// As the contract carries it.
    #[must_use]
    pub fn encode(&self) -> EncodedMessage {
        let mut wire = EncodedMessage::default();
        // The fields of `v1::Ledger`, in order.
        wire.numbers(1, &[self.seen, self.sent, self.folded]);
        for (total, reason) in self.dropped.iter().zip(REASONS).filter(|(total, _)| **total > 0) {
            let mut drop = EncodedMessage::default();
            drop.numbers(1, &[reason as u64, *total]);
            wire.message(4, &drop);
        }
        wire.numbers(5, &[self.buffered()]);
        wire
    }
}
