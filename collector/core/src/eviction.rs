//! Order in which the entries of a full table leave it.
//!
//! In: entries by owner, and the last report of each. Out: the entry whose index the next one may
//! use. Invariant: an owner whose entries, with one more, are at most the table's size divided by
//! the number of owners always gets an index. The longest silent entry leaves first; where no entry
//! is silent, the owner with the most entries gives one up: first entries that reported once, then
//! the least recent.
//!
//! The heaps hold the report at the time of insertion; the current report of an entry is read when
//! the entry is first in a heap. A report costs nothing here, and a refusal a constant number of
//! steps, besides at most one step for each report since.

use crate::text::Text;
use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::hash::Hash;

/// Reports of one entry, and the owner that it counts for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    /// Owner of the entry.
    pub(crate) owner: &'a Text,
    /// Time of the last report, microseconds since the Unix epoch.
    pub(crate) last_us: u64,
    /// Whether the entry reported more than once.
    pub(crate) is_regular: bool,
}

/// Entries of one table, in the orders in which they leave it.
#[derive(Debug, Clone)]
pub(crate) struct Eviction<K> {
    /// All entries by their last report.
    silent: Order<u64, K>,
    owners: HashMap<Text, Owner<K>>,
    /// Owners by their number of entries.
    sizes: BTreeSet<(usize, Text)>,
    evicted: u64,
}

/// Entries of one owner.
#[derive(Debug, Clone)]
struct Owner<K> {
    entries: usize,
    /// Entries that reported once come first.
    order: Order<(bool, u64), K>,
}

impl<K> Default for Eviction<K>
where
    K: Ord,
{
    fn default() -> Self {
        Self { silent: Order::default(), owners: HashMap::new(), sizes: BTreeSet::new(), evicted: 0 }
    }
}

impl<K: Ord + Clone + Hash> Eviction<K> {
    /// Adds an entry. `standing`: the table, which contains the entry.
    pub(crate) fn insert<'a>(
        &mut self,
        key: &K,
        owner: &Text,
        last_us: u64,
        standing: impl Fn(&K) -> Option<Standing<'a>>,
    ) {
        self.resize(owner, 1);
        self.silent.push(last_us, key);
        self.silent.shrink(|key| standing(key).is_some());
        if let Some(of_owner) = self.owners.get_mut(owner) {
            of_owner.order.push((false, last_us), key);
            of_owner.order.shrink(|key| standing(key).is_some_and(|it| it.owner == owner));
        }
    }

    /// Removes an entry of an owner.
    pub(crate) fn remove(&mut self, owner: &Text) {
        self.resize(owner, -1);
    }

    /// Returns the longest silent entry, with the time of its last report.
    pub(crate) fn longest_silent<'a>(
        &mut self,
        standing: impl Fn(&K) -> Option<Standing<'a>>,
    ) -> Option<(u64, K)> {
        self.silent.first(|key| standing(key).map(|it| it.last_us))
    }

    /// Returns the entry that leaves a full table for one more of `newcomer`; `None` when the
    /// newcomer has its share. `silent_since_us`: an entry without a report since then is silent.
    pub(crate) fn victim<'a>(
        &mut self,
        newcomer: &Text,
        silent_since_us: u64,
        standing: impl Fn(&K) -> Option<Standing<'a>>,
    ) -> Option<K> {
        if let Some((last_us, key)) = self.longest_silent(&standing)
            && last_us < silent_since_us
        {
            return Some(key);
        }
        let mine = self.owners.get(newcomer).map_or(0, |owner| owner.entries);
        let (most, largest) = self.sizes.last().cloned()?;
        if mine.saturating_add(1) < most {
            return self.first_of(&largest, &standing).map(|(_, key)| key);
        }
        let once = |found: &(bool, K)| !found.0;
        let own = self.first_of(newcomer, &standing).filter(once);
        let other = || self.first_of(&largest, &standing).filter(once);
        let found = own.or_else(|| (mine < most).then(other).flatten());
        found.map(|(_, key)| key)
    }

    /// Counts an entry that left because the table was full.
    pub(crate) fn count_evicted(&mut self) {
        self.evicted = self.evicted.saturating_add(1);
    }

    /// Number of entries that left because the table was full.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn first_of<'a>(
        &mut self,
        owner: &Text,
        standing: impl Fn(&K) -> Option<Standing<'a>>,
    ) -> Option<(bool, K)> {
        let order = &mut self.owners.get_mut(owner)?.order;
        let rank =
            |key: &K| standing(key).filter(|it| it.owner == owner).map(|it| (it.is_regular, it.last_us));
        order.first(rank).map(|((is_regular, _), key)| (is_regular, key))
    }

    fn resize(&mut self, owner: &Text, by: isize) {
        let known =
            self.owners.entry(owner.clone()).or_insert_with(|| Owner { entries: 0, order: Order::default() });
        self.sizes.remove(&(known.entries, owner.clone()));
        known.entries = known.entries.saturating_add_signed(by);
        if known.entries == 0 {
            self.owners.remove(owner);
        } else {
            self.sizes.insert((known.entries, owner.clone()));
        }
    }
}

/// Heap whose ranks may be out of date: the rank of an entry only grows.
#[derive(Debug, Clone)]
struct Order<R, K> {
    heap: BinaryHeap<Reverse<(R, K)>>,
    /// Length after the last removal of entries that are gone.
    shrunk: usize,
}

impl<R: Ord, K: Ord> Default for Order<R, K> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), shrunk: 0 }
    }
}

impl<R: Ord + Copy, K: Ord + Clone> Order<R, K> {
    fn push(&mut self, rank: R, key: &K) {
        self.heap.push(Reverse((rank, key.clone())));
    }

    /// Returns the entry with the lowest rank.
    fn first(&mut self, rank: impl Fn(&K) -> Option<R>) -> Option<(R, K)> {
        loop {
            let mut first = self.heap.peek_mut()?;
            let Reverse((noted, key)) = &mut *first;
            match rank(key) {
                None => {
                    PeekMut::pop(first);
                }
                // The heap is put in order again when `first` is dropped.
                Some(rank) if rank > *noted => *noted = rank,
                Some(rank) => return Some((rank, key.clone())),
            }
        }
    }

    /// Removes entries that are gone, once they may be as many as the others.
    fn shrink(&mut self, stays: impl Fn(&K) -> bool) {
        const SLACK: usize = 64;
        if self.heap.len() <= self.shrunk.saturating_mul(2).saturating_add(SLACK) {
            return;
        }
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        entries.sort_unstable_by(|Reverse((_, one)), Reverse((_, other))| one.cmp(other));
        entries.dedup_by(|Reverse((_, one)), Reverse((_, other))| one == other);
        entries.retain(|Reverse((_, key))| stays(key));
        self.shrunk = entries.len();
        self.heap = entries.into();
    }
}

#[cfg(test)]
mod tests;
