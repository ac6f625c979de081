//! The book of one epoch.
//!
//! In: its reports. Out: whether a batch is new, and the epoch's [`Entry`]. Always holds: the totals in force are those
//! of the highest batch that came.

use super::dedup::Gaps;
use super::entry::Entry;
use crate::batch::{Batch, DropReason, Totals};
use crate::snapshot::codec::snapshot;

/// What is known of one epoch.
#[derive(Debug, Clone)]
pub(super) struct Book {
    taken: Gaps,
    totals: Totals,
    delivered: u64,
    folded: u64,
    duplicates: u64,
    /// The number of the first batch that came: what lies before it was told to somebody else, or is still on its way.
    first: u64,
    /// Requests in batches before `first` that have not come.
    before: u64,
    last_us: u64,
    /// Requests, and batches, of which an earlier attempt went unanswered.
    uncertain: (u64, u64),
}

snapshot!(struct Book { taken, totals, delivered, folded, duplicates, first, before, last_us, uncertain });

impl Book {
    /// A book that begins with this batch.
    pub(super) fn open(batch: &Batch, now_us: u64) -> Self {
        let (records, folded) = content(batch);
        let mut taken = Gaps::default();
        taken.note(batch.sequence);
        Self {
            taken,
            totals: batch.totals.clone(),
            delivered: records,
            folded,
            duplicates: 0,
            first: batch.sequence,
            before: batch.totals.left().saturating_sub(records.saturating_add(folded)),
            last_us: now_us,
            uncertain: uncertain(batch),
        }
    }

    /// Enters a batch; `false` when it had been entered before.
    pub(super) fn enter(&mut self, batch: &Batch, now_us: u64) -> bool {
        self.last_us = self.last_us.max(now_us);
        let highest = self.taken.highest();
        if !self.taken.note(batch.sequence) {
            self.duplicates = self.duplicates.saturating_add(1);
            return false;
        }
        let (records, folded) = content(batch);
        self.delivered = self.delivered.saturating_add(records);
        self.folded = self.folded.saturating_add(folded);
        let (requests, batches) = uncertain(batch);
        self.uncertain.0 = self.uncertain.0.saturating_add(requests);
        self.uncertain.1 = self.uncertain.1.saturating_add(batches);
        if batch.sequence < self.first {
            self.before = self.before.saturating_sub(records.saturating_add(folded));
        }
        if batch.sequence > highest {
            self.totals = batch.totals.clone();
        }
        true
    }

    /// Whether a batch was entered before.
    pub(super) fn has(&self, sequence: u64) -> bool {
        self.taken.has(sequence)
    }

    /// When it was last written to.
    pub(super) fn last_us(&self) -> u64 {
        self.last_us
    }

    /// What it says.
    pub(super) fn entry(&self) -> Entry {
        let mut entry = Entry {
            epochs: 1,
            seen: self.totals.seen,
            delivered: self.delivered,
            folded: self.folded,
            drops: self.totals.dropped.iter().copied().filter(|(_, count)| *count > 0).collect(),
            missing: 0,
            in_flight: self.totals.buffered,
            duplicates: self.duplicates,
            batches_missing: self.taken.missing(),
            uncertain: self.uncertain.0,
            uncertain_batches: self.uncertain.1,
        };
        // A batch from before that was refused later is in the filter's drops by then, so no more than what is open can
        // have been lost with an earlier collector.
        let open = u64::try_from(entry.unaccounted()).unwrap_or(0);
        let before = self.before.min(open);
        if before > 0 {
            entry.drops.insert(DropReason::CollectorRestart, before);
        }
        entry
    }
}

/// Requests and batches of a batch that another collector may have taken before.
fn uncertain(batch: &Batch) -> (u64, u64) {
    if batch.attempt <= 1 {
        return (0, 0);
    }
    let (records, folded) = content(batch);
    (records.saturating_add(folded), 1)
}

/// Single requests and requests in fold rows.
fn content(batch: &Batch) -> (u64, u64) {
    batch.content()
}
