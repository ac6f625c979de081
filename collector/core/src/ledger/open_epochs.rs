//! Ledger entries of open epochs, by epoch and in the order of their proxies.
//!
//! Invariant: both indexes hold the same epochs. A batch uses the hash table; only the start and
//! the end of an epoch changes the ordered index, which a reader walks proxy by proxy.

use super::epoch::Epoch;
use super::{Entry, Ledger};
use crate::batch::EpochId;
use crate::eviction::Eviction;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};
use crate::text::Text;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

type ByEpoch = HashMap<EpochId, Epoch, foldhash::quality::RandomState>;

/// Entries of open epochs.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenEpochs {
    by_epoch: ByEpoch,
    ordered: BTreeSet<EpochId>,
    /// Order in which epochs leave a full table.
    eviction: Eviction<EpochId>,
}

impl OpenEpochs {
    pub(super) fn get(&self, epoch_id: &EpochId) -> Option<&Epoch> {
        self.by_epoch.get(epoch_id)
    }

    pub(super) fn get_mut(&mut self, epoch_id: &EpochId) -> Option<&mut Epoch> {
        self.by_epoch.get_mut(epoch_id)
    }

    pub(super) fn insert(&mut self, epoch_id: &EpochId, epoch: Epoch) {
        let Self { by_epoch, ordered, eviction } = self;
        ordered.insert(epoch_id.clone());
        let (owner, last_us) = (epoch.standing().owner.clone(), epoch.last_us());
        by_epoch.insert(epoch_id.clone(), epoch);
        eviction.insert(epoch_id, &owner, last_us, |key| by_epoch.get(key).map(Epoch::standing));
    }

    pub(super) fn remove(&mut self, epoch_id: &EpochId) -> Option<Epoch> {
        self.ordered.remove(epoch_id);
        let epoch = self.by_epoch.remove(epoch_id)?;
        self.eviction.remove(epoch.standing().owner);
        Some(epoch)
    }

    /// Returns the epoch that leaves a full table for one more of `owner`.
    pub(super) fn victim(&mut self, owner: &Text, silent_since_us: u64) -> Option<EpochId> {
        let Self { by_epoch, eviction, .. } = self;
        eviction.victim(owner, silent_since_us, |key| by_epoch.get(key).map(Epoch::standing))
    }

    /// Returns the longest silent epoch, if it has not reported since `since_us`.
    pub(super) fn silent_before(&mut self, since_us: u64) -> Option<EpochId> {
        let Self { by_epoch, eviction, .. } = self;
        let first = eviction.longest_silent(|key| by_epoch.get(key).map(Epoch::standing));
        first.filter(|(last_us, _)| *last_us < since_us).map(|(_, epoch_id)| epoch_id)
    }

    /// Counts an epoch that left because the table was full.
    pub(super) fn count_evicted(&mut self) {
        self.eviction.count_evicted();
    }

    /// Number of epochs that left because the table was full.
    pub(super) fn evicted(&self) -> u64 {
        self.eviction.evicted()
    }

    /// Returns all epochs, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&EpochId, &Epoch)> {
        self.by_epoch.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.by_epoch.len()
    }

    /// Returns the first proxy after `proxy` in the order of names.
    fn next_proxy(&self, proxy: &Text) -> Option<&Text> {
        let last = EpochId { proxy: proxy.clone(), epoch: u64::MAX };
        let mut after = self.ordered.range((Excluded(last), Unbounded));
        after.next().map(|epoch_id| &epoch_id.proxy)
    }

    /// Returns the epochs of a proxy.
    fn of<'a>(&'a self, proxy: &'a Text) -> impl Iterator<Item = &'a Epoch> {
        let first = EpochId { proxy: proxy.clone(), epoch: 0 };
        let epochs = self.ordered.range(first..).take_while(move |epoch_id| epoch_id.proxy == *proxy);
        epochs.filter_map(|epoch_id| self.by_epoch.get(epoch_id))
    }
}

impl Ledger {
    /// Returns the entry of the first proxy after `proxy` in the order of names. A reader that
    /// passes each name back walks [`Ledger::entries`] in parts.
    #[must_use]
    pub fn next_entry(&self, proxy: &Text) -> Option<(Text, Entry)> {
        let open = self.epochs.next_proxy(proxy);
        let closed = self.closed.range::<str, _>((Excluded(&**proxy), Unbounded)).next();
        let closed = closed.map(|(proxy, _)| proxy);
        let proxy = match (open, closed) {
            (Some(open), Some(closed)) => open.min(closed),
            (one, other) => one.or(other)?,
        };
        let mut entry = self.closed.get(proxy).map(|(entry, _)| entry.clone()).unwrap_or_default();
        self.epochs.of(proxy).for_each(|epoch| entry.add(&epoch.entry()));
        Some((proxy.clone(), entry))
    }
}

impl SnapshotValue for OpenEpochs {
    fn save(&self, to: &mut Writer) {
        self.by_epoch.save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut loaded = Self::default();
        for (epoch_id, epoch) in ByEpoch::load(from)? {
            loaded.insert(&epoch_id, epoch);
        }
        Ok(loaded)
    }
}
