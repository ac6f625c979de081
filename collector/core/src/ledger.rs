//! Ledger: deduplicates batches and accounts for every request that a filter saw.
//!
//! In: batches in any order, with any number of repeats, and the time.
//! Out: whether a batch is new; one [`Entry`] per proxy, in total or at an earlier moment.
//! Invariant: a batch is accepted once, and every [`Entry`] satisfies
//! `seen = delivered + folded + dropped + missing + in_flight + unaccounted`.
//!
//! Requests that were reported before a restart of the collector and are not in its snapshot count
//! as dropped, reason `collector_restart`. An epoch is closed after a long silence; a closed epoch
//! has no request in flight or unaccounted. At most `epochs_max` epochs are open: for one more, the
//! longest silent epoch is closed, and an epoch that was closed during a silence opens again with
//! its next batch. At most
//! `closed_max` proxies without an open epoch have an entry; the others are summed under
//! [`EARLIER`].

mod dedup;
mod ended;
mod epoch;
mod entry;
mod history;
pub(crate) mod metrics;
mod settings;
mod open_epochs;

pub use entry::Entry;
pub use history::Limits as HistoryLimits;
pub use settings::{Limits, Settings};

use crate::batch::{Batch, EpochId};
use crate::snapshot::codec::snapshot;
use crate::text::Text;
use ended::EndedEpochs;
use epoch::Epoch;
use history::History;
use open_epochs::OpenEpochs;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the entry that sums proxies without an entry of their own.
pub const EARLIER: &str = "(earlier proxies)";

/// Interval between two checks for silent epochs.
const CHECK_INTERVAL_US: u64 = 60 * 1_000_000;

/// Silence after which an epoch is closed for a new one, while the table is full. A filter reports
/// at least every 15 s.
const QUIET_US: u64 = 60 * 1_000_000;

/// Result of the admission of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// New batch: its requests must be counted.
    New,
    /// Duplicate: its requests were counted before.
    Duplicate,
    /// Rejected: the table of epochs is full.
    Full,
}

/// Ledger of all epochs.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    limits: Limits,
    epochs: OpenEpochs,
    /// Epochs that were closed during a silence.
    ended: EndedEpochs,
    /// Sums of closed epochs by proxy, with the time of the last close.
    closed: BTreeMap<Text, (Entry, u64)>,
    /// Time of the last check for silent epochs.
    checked_us: u64,
    history: History,
}

snapshot!(state Ledger { epochs, ended, closed, checked_us } nested { history } skip { limits });

impl Ledger {
    /// Creates an empty ledger.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let history = History::new(limits.history.clone());
        Self { limits, history, ..Self::default() }
    }

    /// Changes the limits. Open epochs stay open.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Decides whether a batch is new, and records it if so. `owner`: returns the account of the
    /// proxy, by which the table of epochs is shared.
    pub fn admit(&mut self, batch: &Batch, owner: impl FnOnce() -> Text, now_us: u64) -> Admission {
        if let Some(epoch) = self.epochs.get_mut(&batch.epoch_id) {
            return if epoch.add(batch, now_us) { Admission::New } else { Admission::Duplicate };
        }
        let owner = owner();
        let epoch = match self.ended.get(&batch.epoch_id) {
            Some(ended) => match Epoch::reopened(ended, batch, owner.clone(), now_us) {
                Some(epoch) => epoch,
                None => {
                    let (entry, _) = self.closed.entry(batch.epoch_id.proxy.clone()).or_default();
                    entry.duplicates = entry.duplicates.saturating_add(1);
                    return Admission::Duplicate;
                }
            },
            None => Epoch::new(batch, owner.clone(), now_us),
        };
        if self.epochs.len() >= self.limits.epochs_max && !self.evict(&owner, now_us) {
            return Admission::Full;
        }
        self.ended.remove(&batch.epoch_id);
        self.epochs.insert(&batch.epoch_id, epoch);
        Admission::New
    }

    /// Whether a batch was accepted before.
    #[must_use]
    pub fn has(&self, epoch_id: &EpochId, sequence: u64) -> bool {
        match self.epochs.get(epoch_id) {
            Some(epoch) => epoch.has(sequence),
            None => self.ended.get(epoch_id).is_some_and(|ended| ended.received.contains(sequence)),
        }
    }

    /// Closes an epoch that has ended for good. Its counts stay in the entry of the proxy.
    pub fn end(&mut self, epoch_id: &EpochId, now_us: u64) {
        if let Some(epoch) = self.epochs.remove(epoch_id) {
            self.add_closed(&epoch_id.proxy, &epoch, now_us);
        }
    }

    /// Returns one entry per proxy, sorted by name.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<Text, Entry> {
        let closed = self.closed.iter().map(|(proxy, (entry, _))| (proxy.clone(), entry.clone()));
        let mut entries: BTreeMap<_, _> = closed.collect();
        for (epoch_id, epoch) in self.epochs.iter() {
            entries.entry(epoch_id.proxy.clone()).or_default().add(&epoch.entry());
        }
        entries
    }

    /// Returns the newest stored entries from before or at `since_us`, or else the oldest stored
    /// ones, with their time. Times are microseconds since the Unix epoch.
    #[must_use]
    pub fn entries_at(&self, since_us: u64) -> (u64, Arc<BTreeMap<Text, Entry>>) {
        self.history.at(since_us)
    }

    /// Returns the number of stored entries of earlier moments.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.history.rows()
    }

    /// Closes epochs that have been silent for too long, and stores the entries for the history.
    pub fn tick(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.checked_us) >= CHECK_INTERVAL_US {
            self.checked_us = now_us;
            self.close_silent(now_us);
        }
        if self.history.is_due(now_us) {
            let entries = self.entries();
            self.history.push(now_us, entries);
        }
    }

    /// Returns the number of open epochs.
    #[must_use]
    pub fn open(&self) -> usize {
        self.epochs.len()
    }

    /// Returns the number of epochs that were closed for others because there were too many.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.epochs.evicted()
    }

    /// Returns the number of epochs that were closed during a silence, and open again with a batch.
    #[must_use]
    pub fn closed_epochs(&self) -> usize {
        self.ended.len()
    }

    /// Closes epochs that have been silent for too long. Their counts stay.
    fn close_silent(&mut self, now_us: u64) {
        let silent_since = now_us.saturating_sub(self.limits.silent_us_max);
        while let Some(epoch_id) = self.epochs.silent_before(silent_since) {
            self.close(&epoch_id, now_us);
        }
        self.ended.expire(silent_since);
    }

    /// Closes an epoch, so that one more of `owner` can open. Returns `false` when no epoch gives
    /// way.
    fn evict(&mut self, owner: &Text, now_us: u64) -> bool {
        let Some(epoch_id) = self.epochs.victim(owner, now_us.saturating_sub(QUIET_US)) else { return false };
        self.epochs.count_evicted();
        self.close(&epoch_id, now_us);
        true
    }

    /// Closes an epoch that may report again.
    fn close(&mut self, epoch_id: &EpochId, now_us: u64) {
        let Some(epoch) = self.epochs.remove(epoch_id) else { return };
        self.ended.insert(epoch_id, epoch.ended(), now_us, self.limits.epochs_max);
        self.add_closed(&epoch_id.proxy, &epoch, now_us);
    }

    /// Adds the counts of an epoch to the closed entry of its proxy.
    fn add_closed(&mut self, proxy: &Text, epoch: &Epoch, now_us: u64) {
        let mut entry = epoch.entry();
        entry.close();
        let (sum, closed_us) = self.closed.entry(proxy.clone()).or_default();
        sum.add(&entry);
        *closed_us = now_us;
        if self.closed.len() > self.limits.closed_max {
            self.sum_earliest();
        }
    }

    /// Sums the entries with the earliest close time until nine tenths of the limit are left.
    fn sum_earliest(&mut self) {
        let target = self.limits.closed_max - self.limits.closed_max / 10;
        let mut closed_us: Vec<u64> = self.closed.values().map(|(_, closed_us)| *closed_us).collect();
        closed_us.sort_unstable();
        let excess = closed_us.len().saturating_sub(target);
        let before_us = closed_us.get(excess).copied().unwrap_or(u64::MAX);
        let mut sum = Entry::default();
        let mut left = excess;
        self.closed.retain(|_, (entry, closed_us)| {
            let is_excess = left > 0 && *closed_us <= before_us;
            if is_excess {
                left -= 1;
                sum.add(entry);
            }
            !is_excess
        });
        self.closed.entry(EARLIER.into()).or_default().0.add(&sum);
    }
}

#[cfg(test)]
mod tests;
