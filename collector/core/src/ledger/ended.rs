//! Epochs that were closed during a silence, and may report again.
//!
//! In: epochs when they are closed. Out: their numbers and totals when a batch of one arrives after
//! all. Invariant: a batch that was counted before the close is a duplicate after it, as long as
//! the epoch is stored; at most `max` epochs are stored, the first closed leaves first, and none is
//! older than the limit.
//!
//! An epoch that opens again counts only requests that its closed entry does not. Requests that the
//! closed entry counts as missing or buffered, and that arrive after all, are in both.

use super::dedup::SequenceSet;
use crate::batch::{DropReason, EpochId, Totals};
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer, snapshot};
use std::collections::{HashMap, VecDeque};

/// Requests of an epoch that are part of a closed entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Counted or dropped requests.
    pub(super) seen: u64,
    /// Requests that the filter dropped, by reason.
    pub(super) dropped: Vec<(DropReason, u64)>,
}

snapshot!(struct Settled { seen, dropped });

/// State of an epoch when it was closed.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) received: SequenceSet,
    pub(super) totals: Totals,
    pub(super) settled: Settled,
}

snapshot!(struct Ended { received, totals, settled });

/// Closed epochs.
#[derive(Debug, Clone, Default)]
pub(super) struct EndedEpochs {
    by_epoch: HashMap<EpochId, (Ended, u64), foldhash::quality::RandomState>,
    /// Times of the close, with the epochs, in order. An epoch that opened again may be listed.
    order: VecDeque<(u64, EpochId)>,
}

impl EndedEpochs {
    /// Stores an epoch.
    pub(super) fn insert(&mut self, epoch_id: &EpochId, ended: Ended, now_us: u64, max: usize) {
        self.by_epoch.insert(epoch_id.clone(), (ended, now_us));
        self.order.push_back((now_us, epoch_id.clone()));
        while self.by_epoch.len() > max || self.order.len() > max.saturating_mul(2) {
            let Some(first) = self.order.pop_front() else { return };
            self.drop_listed(&first);
        }
    }

    /// Returns a stored epoch.
    pub(super) fn get(&self, epoch_id: &EpochId) -> Option<&Ended> {
        self.by_epoch.get(epoch_id).map(|(ended, _)| ended)
    }

    /// Removes an epoch that opens again.
    pub(super) fn remove(&mut self, epoch_id: &EpochId) {
        self.by_epoch.remove(epoch_id);
    }

    /// Removes epochs that were closed before `since_us`.
    pub(super) fn expire(&mut self, since_us: u64) {
        while let Some(first) = self.order.pop_front_if(|(closed_us, _)| *closed_us < since_us) {
            self.drop_listed(&first);
        }
    }

    /// Number of stored epochs.
    pub(super) fn len(&self) -> usize {
        self.by_epoch.len()
    }

    /// Removes the epoch of a list entry, unless it was closed again later.
    fn drop_listed(&mut self, (closed_us, epoch_id): &(u64, EpochId)) {
        if self.by_epoch.get(epoch_id).is_some_and(|(_, at_us)| at_us == closed_us) {
            self.by_epoch.remove(epoch_id);
        }
    }
}

impl SnapshotValue for EndedEpochs {
    fn save(&self, to: &mut Writer) {
        let listed = |(closed_us, epoch_id): &&(u64, EpochId)| {
            self.by_epoch.get(epoch_id).is_some_and(|(_, at_us)| at_us == closed_us)
        };
        self.order.iter().filter(listed).count().save(to);
        for (closed_us, epoch_id) in self.order.iter().filter(listed) {
            let Some((ended, _)) = self.by_epoch.get(epoch_id) else { continue };
            epoch_id.save(to);
            ended.save(to);
            closed_us.save(to);
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut loaded = Self::default();
        for _ in 0..from.count()? {
            let epoch_id = EpochId::load(from)?;
            let ended = Ended::load(from)?;
            let closed_us = u64::load(from)?;
            loaded.by_epoch.insert(epoch_id.clone(), (ended, closed_us));
            loaded.order.push_back((closed_us, epoch_id));
        }
        Ok(loaded)
    }
}
