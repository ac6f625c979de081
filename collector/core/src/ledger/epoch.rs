//! Ledger state of one epoch.
//!
//! In: the batches of the epoch.
//! Out: whether a batch is new, and the [`Entry`] of the epoch.
//! Invariant: the totals are those of the batch with the highest sequence number.

use super::dedup::SequenceSet;
use super::ended::{Ended, Settled};
use super::entry::Entry;
use crate::batch::{Batch, DropReason, RejectedRows, Totals};
use crate::eviction::Standing;
use crate::snapshot::codec::snapshot;
use crate::text::Text;
use std::collections::BTreeMap;

/// State of one epoch.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    received: SequenceSet,
    totals: Totals,
    delivered: u64,
    folded: u64,
    duplicates: u64,
    /// Sequence number of the first batch received. Earlier batches were reported to another
    /// collector or process run, or are still in transit.
    first: u64,
    /// Requests in batches before `first` that were not received.
    before: u64,
    last_us: u64,
    /// Requests and batches with an earlier unacknowledged attempt.
    uncertain: (u64, u64),
    rejected: RejectedRows,
    /// Requests whose time was moved into the limits.
    moved: u64,
    /// Owner in the table of epochs: the account of the proxy.
    owner: Text,
    /// Requests that are part of a closed entry, because the epoch was closed before.
    settled: Settled,
}

snapshot!(struct Epoch {
    received, totals, delivered, folded, duplicates, first, before, last_us, uncertain, rejected, moved,
    owner, settled,
});

impl Epoch {
    /// Creates the state with the first batch received.
    pub(super) fn new(batch: &Batch, owner: Text, now_us: u64) -> Self {
        let (records, folded) = batch.content();
        let mut received = SequenceSet::default();
        received.insert(batch.sequence);
        Self {
            owner,
            settled: Settled::default(),
            received,
            totals: batch.totals.clone(),
            delivered: records,
            folded,
            duplicates: 0,
            first: batch.sequence,
            before: batch.totals.left().saturating_sub(requests(batch)),
            last_us: now_us,
            uncertain: uncertain(batch),
            rejected: batch.rejected.clone(),
            moved: batch.moved,
        }
    }

    /// Opens an epoch again that was closed during a silence. `None` for a duplicate.
    pub(super) fn reopened(ended: &Ended, batch: &Batch, owner: Text, now_us: u64) -> Option<Self> {
        let mut received = ended.received.clone();
        let is_newest = batch.sequence > received.highest();
        if !received.insert(batch.sequence) {
            return None;
        }
        let totals = if is_newest { batch.totals.clone() } else { ended.totals.clone() };
        Some(Self {
            received,
            totals,
            before: 0,
            settled: ended.settled.clone(),
            ..Self::new(batch, owner, now_us)
        })
    }

    /// Returns the state that recognizes later batches of this epoch once it is closed.
    pub(super) fn ended(&self) -> Ended {
        let Entry { delivered, folded, drops, .. } = self.entry();
        let dropped = drops.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let seen = [delivered, folded, dropped].into_iter().fold(self.settled.seen, u64::saturating_add);
        Ended {
            received: self.received.clone(),
            totals: self.totals.clone(),
            settled: Settled { seen, dropped: self.totals.dropped.clone() },
        }
    }

    /// Reports of the epoch, for the order in which epochs leave a full table.
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing { owner: &self.owner, last_us: self.last_us, is_regular: self.received.has_several() }
    }

    /// Adds a batch. Returns `false` for a duplicate.
    pub(super) fn add(&mut self, batch: &Batch, now_us: u64) -> bool {
        self.last_us = self.last_us.max(now_us);
        let highest = self.received.highest();
        if !self.received.insert(batch.sequence) {
            self.duplicates = self.duplicates.saturating_add(1);
            return false;
        }
        let (records, folded) = batch.content();
        self.delivered = self.delivered.saturating_add(records);
        self.folded = self.folded.saturating_add(folded);
        let (uncertain, batches) = uncertain(batch);
        self.uncertain.0 = self.uncertain.0.saturating_add(uncertain);
        self.uncertain.1 = self.uncertain.1.saturating_add(batches);
        self.rejected.merge(&batch.rejected);
        self.moved = self.moved.saturating_add(batch.moved);
        if batch.sequence < self.first {
            self.before = self.before.saturating_sub(requests(batch));
        }
        if batch.sequence > highest {
            self.totals = batch.totals.clone();
        }
        true
    }

    /// Whether a batch was received before.
    pub(super) fn has(&self, sequence: u64) -> bool {
        self.received.contains(sequence)
    }

    /// Returns the time of the last batch, new or duplicate.
    pub(super) fn last_us(&self) -> u64 {
        self.last_us
    }

    /// Returns the entry of the epoch.
    pub(super) fn entry(&self) -> Entry {
        let settled = |reason: DropReason| {
            let found = self.settled.dropped.iter().find(|(known, _)| *known == reason);
            found.map_or(0, |(_, count)| *count)
        };
        let new = |(reason, count): &(DropReason, u64)| (*reason, count.saturating_sub(settled(*reason)));
        let mut entry = Entry {
            epochs: u64::from(self.settled == Settled::default()),
            seen: self.totals.seen.saturating_sub(self.settled.seen),
            delivered: self.delivered,
            folded: self.folded,
            drops: BTreeMap::new(),
            missing: 0,
            in_flight: self.totals.buffered,
            duplicates: self.duplicates,
            batches_missing: self.received.missing(),
            uncertain: self.uncertain.0,
            uncertain_batches: self.uncertain.1,
            moved: self.moved,
            rejected_rows: self.rejected.iter().map(|(reason, counts)| (reason, counts.rows)).collect(),
        };
        let rejected = self.rejected.iter();
        let rejected = rejected.map(|(reason, counts)| (DropReason::Rejected(reason), counts.requests()));
        let drops = self.totals.dropped.iter().map(new).chain(rejected);
        for (reason, count) in drops.filter(|(_, count)| *count > 0) {
            let sum: &mut u64 = entry.drops.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
        // An earlier batch that was rejected later is part of the filter's drops. So at most the
        // unaccounted requests can be lost with an earlier process run.
        let unaccounted = u64::try_from(entry.unaccounted()).unwrap_or(0);
        let before = self.before.min(unaccounted);
        if before > 0 {
            entry.drops.insert(DropReason::CollectorRestart, before);
        }
        entry
    }
}

/// Returns the requests of a batch: counted, folded and rejected.
fn requests(batch: &Batch) -> u64 {
    let (records, folded) = batch.content();
    records.saturating_add(folded).saturating_add(batch.rejected.total().requests())
}

/// Returns the requests and batches (0 or 1) that another collector may have counted before.
fn uncertain(batch: &Batch) -> (u64, u64) {
    if batch.attempt <= 1 {
        return (0, 0);
    }
    let (records, folded) = batch.content();
    (records.saturating_add(folded), 1)
}
