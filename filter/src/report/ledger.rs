//! The ledger of one epoch.
//!
//! In: events of requests and batches. Out: the running totals that every batch carries.
//! Invariant: `seen = sent + folded + dropped + buffered`, because every change moves a count from
//! one term to another.

use crate::batch::EncodedMessage;
use hopscope_proto::v1::DropReason;

/// Drop reasons, in the order of [`Ledger::dropped`].
const REASONS: [DropReason; 3] = [DropReason::FoldTableFull, DropReason::Rejected, DropReason::TooLarge];

/// The totals of all requests of one epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    seen: u64,
    sent: u64,
    folded: u64,
    dropped: [u64; REASONS.len()],
}

/// The number of requests in one batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchContent {
    /// Single records.
    pub records: u64,
    /// Requests inside fold rows.
    pub folded: u64,
}

impl BatchContent {
    /// Returns the number of all requests.
    #[must_use]
    pub fn requests(self) -> u64 {
        self.records.saturating_add(self.folded)
    }
}

impl Ledger {
    /// Counts a finished request.
    pub fn count_seen(&mut self) {
        self.seen = self.seen.saturating_add(1);
    }

    /// Counts the content of a batch that got its sequence number.
    pub fn count_sent(&mut self, content: BatchContent) {
        self.sent = self.sent.saturating_add(content.records);
        self.folded = self.folded.saturating_add(content.folded);
    }

    /// Moves the content of a sent batch to the dropped requests: the collector refused it for
    /// good.
    pub fn count_refused(&mut self, content: BatchContent, reason: DropReason) {
        self.sent = self.sent.saturating_sub(content.records);
        self.folded = self.folded.saturating_sub(content.folded);
        self.count_dropped(content.requests(), reason);
    }

    /// Counts dropped requests.
    pub fn count_dropped(&mut self, count: u64, reason: DropReason) {
        for (total, _) in self.dropped.iter_mut().zip(REASONS).filter(|(_, known)| *known == reason) {
            *total = total.saturating_add(count);
        }
    }

    /// Returns the number of finished requests.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Returns the number of requests that were dropped for a reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let known = self.dropped.iter().zip(REASONS).find(|(_, known)| *known == reason);
        known.map_or(0, |(total, _)| *total)
    }

    /// Returns the number of requests that are neither in a numbered batch nor dropped.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.seen.saturating_sub(self.processed())
    }

    /// Returns whether no request is counted twice.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.processed() <= self.seen
    }

    fn processed(&self) -> u64 {
        self.dropped.iter().fold(self.sent.saturating_add(self.folded), |a, b| a.saturating_add(*b))
    }

    /// Encodes the ledger as `v1::Ledger`.
    #[must_use]
    pub fn encode(&self) -> EncodedMessage {
        let mut message = EncodedMessage::default();
        // The fields of `v1::Ledger`, in order.
        message.numbers(1, &[self.seen, self.sent, self.folded]);
        for (total, reason) in self.dropped.iter().zip(REASONS).filter(|(total, _)| **total > 0) {
            let mut drop = EncodedMessage::default();
            drop.numbers(1, &[reason as u64, *total]);
            message.message(4, &drop);
        }
        message.numbers(5, &[self.buffered()]);
        message
    }
}
