//! Projection: series that are equal in the exported labels are one exported series.
//!
//! In: series by slot, as they are added and removed, with their exported labels. Out: slices of
//! the exported series, each with its parts. Invariant: a removed part stays in the sum of its
//! exported series until the last part is removed, so that an exported counter never falls. There
//! are no more sums than series. A change takes constant time, and counting a request takes none.

use super::buckets::Exemplar;
use super::visitor::Labels;
use slab::Slab;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

/// Series that one access copies, which takes less than 0.1 ms.
pub const SLICE: usize = 128;

/// Some series of a stage, and the cursor of the next ones.
#[derive(Debug)]
pub struct Slice<K, T> {
    /// Values that were read. A row with a key begins a series; one without adds to the row before,
    /// in this slice or an earlier one.
    pub rows: Vec<(Option<K>, T)>,
    /// Start of the next slice; `None` after the last one.
    pub next: Option<Cursor>,
    /// Whether the rows of the last series of the slice before are void, because its parts have
    /// changed.
    pub is_reread: bool,
}

impl<K, T> Slice<K, T> {
    /// Slice of series that have one row each. `next`: index of the next series.
    #[must_use]
    pub fn of(rows: impl IntoIterator<Item = (K, T)>, next: Option<usize>) -> Self {
        let rows = rows.into_iter().map(|(key, value)| (Some(key), value)).collect();
        Self { rows, next: next.map(Cursor::at), is_reread: false }
    }
}

/// Not a slot.
const NONE: u32 = u32::MAX;

/// A statistics that can be added to another one.
pub trait Part: Clone {
    /// Adds a series that is equal in the exported labels. The earlier creation time stays.
    fn merge(&mut self, other: &Self);
}

/// Position of a reader among exported series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    index: usize,
    /// Next part of the exported series, where some parts are read already.
    within: Option<Within>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Within {
    part: u32,
    /// Whether a row of the exported series was returned.
    has_row: bool,
    /// [`Exported::removals`] when its first part was read.
    removals: u64,
}

impl Cursor {
    /// Cursor at the beginning of an exported series, by its index.
    #[must_use]
    pub fn at(index: usize) -> Self {
        Self { index, within: None }
    }

    /// Index of the exported series.
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }
}

/// Exported series of a stage, over its series by slot.
#[derive(Debug, Clone)]
pub struct Projection<V> {
    exported: Slab<Exported<V>>,
    by_labels: HashMap<u128, u32>,
    /// By the slot of the series.
    links: Vec<Link>,
    hashers: [foldhash::quality::RandomState; 2],
    removals: u64,
}

/// One exported series.
#[derive(Debug, Clone)]
struct Exported<V> {
    labels: u128,
    /// First of its parts.
    first: u32,
    /// Sum of the removed parts.
    removed: Option<Box<V>>,
    /// Number of the last removal of a part.
    removals: u64,
}

/// Neighbours of a part in its exported series.
#[derive(Debug, Clone, Copy)]
struct Link {
    exported: u32,
    before: u32,
    after: u32,
}

const UNLINKED: Link = Link { exported: NONE, before: NONE, after: NONE };

impl<V> Default for Projection<V> {
    fn default() -> Self {
        Self {
            exported: Slab::new(),
            by_labels: HashMap::new(),
            links: Vec::new(),
            hashers: Default::default(),
            removals: 0,
        }
    }
}

impl<V: Part> Projection<V> {
    /// Number of exported series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exported.len()
    }

    /// Whether there is no exported series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exported.is_empty()
    }

    /// Adds the series in a slot, by its exported labels.
    pub fn add(&mut self, slot: usize, labels: Labels<'_>) {
        let Ok(part) = u32::try_from(slot) else { return };
        let labels = self.hash(labels);
        let Self { exported, by_labels, links, .. } = self;
        let (removed, removals) = (None, self.removals);
        let insert = || exported.insert(Exported { labels, first: NONE, removed, removals }) as u32;
        let number = *by_labels.entry(labels).or_insert_with(insert);
        let Some(series) = exported.get_mut(number as usize) else { return };
        let after = std::mem::replace(&mut series.first, part);
        if links.len() <= slot {
            links.resize(slot + 1, UNLINKED);
        }
        if let Some(link) = links.get_mut(after as usize) {
            link.before = part;
        }
        if let Some(link) = links.get_mut(slot) {
            *link = Link { exported: number, before: NONE, after };
        }
    }

    /// Removes the series in a slot. Returns the sum of its exported series if this was the last
    /// part, so that the exported series ends.
    pub fn remove(&mut self, slot: usize, value: &V) -> Option<V> {
        let link = std::mem::replace(self.links.get_mut(slot)?, UNLINKED);
        let Link { exported, before, after } = link;
        self.removals += 1;
        let series = self.exported.get_mut(exported as usize)?;
        series.removals = self.removals;
        match self.links.get_mut(before as usize) {
            Some(link) => link.after = after,
            None => series.first = after,
        }
        if let Some(link) = self.links.get_mut(after as usize) {
            link.before = before;
        }
        match &mut series.removed {
            Some(removed) => removed.merge(value),
            None => series.removed = Some(Box::new(value.clone())),
        }
        if series.first != NONE {
            return None;
        }
        let ended = self.exported.try_remove(exported as usize)?;
        self.by_labels.remove(&ended.labels);
        ended.removed.map(|removed| *removed)
    }

    /// Sums of removed parts, each with the first slot of the parts that remain.
    pub fn removed(&self) -> impl Iterator<Item = (usize, &V)> {
        let first_slot = |first: u32| {
            let next = |part: &u32| self.links.get(*part as usize).map(|link| link.after);
            let parts = std::iter::successors(Some(first), next).filter(|part| *part != NONE);
            parts.min().map(|part| part as usize)
        };
        self.exported.iter().filter_map(move |(_, it)| {
            it.removed.as_deref().and_then(|removed| Some((first_slot(it.first)?, removed)))
        })
    }

    /// Adds a sum of removed parts to the exported series of a slot, after a restart.
    pub fn restore(&mut self, slot: usize, value: &V) {
        let number = self.links.get(slot).map_or(NONE, |link| link.exported);
        let Some(series) = self.exported.get_mut(number as usize) else { return };
        match &mut series.removed {
            Some(removed) => removed.merge(value),
            None => series.removed = Some(Box::new(value.clone())),
        }
    }

    /// Reads up to [`SLICE`] parts from a cursor on. `series`: the series in a slot; `key`: its
    /// labels, which it shares with the other parts; parts for which `read` returns `None` are
    /// skipped.
    ///
    /// A part that is removed while its exported series is read would be missing or counted twice;
    /// that exported series is read once more from its beginning.
    pub fn slice<'a, K, T>(
        &'a self,
        from: Cursor,
        series: impl Fn(usize) -> Option<(&'a V, Option<Exemplar>)>,
        key: impl Fn(usize) -> Option<K>,
        read: impl Fn(&V, Option<Exemplar>) -> Option<T>,
    ) -> Slice<K, T>
    where
        V: 'a,
    {
        let mut slice = Slice { rows: Vec::new(), next: None, is_reread: false };
        let mut left = SLICE;
        let mut within = from.within;
        let series_at = |part: u32| read_some(series(part as usize), &read);
        for index in from.index..self.exported.capacity() {
            if left == 0 {
                slice.next = Some(Cursor::at(index));
                return slice;
            }
            let resumed = within.take();
            let Some(exported) = self.exported.get(index) else {
                slice.is_reread |= resumed.is_some();
                left -= 1;
                continue;
            };
            let resumed = match resumed {
                Some(it) if it.removals == exported.removals => Some(it),
                Some(_) => {
                    slice.is_reread = true;
                    None
                }
                None => None,
            };
            let mut part = resumed.map_or(exported.first, |it| it.part);
            let mut has_row = resumed.is_some_and(|it| it.has_row);
            let mut push = |value: T, has_row: &mut bool| {
                let key = if *has_row { None } else { key(exported.first as usize) };
                if *has_row || key.is_some() {
                    *has_row = true;
                    slice.rows.push((key, value));
                }
            };
            while let Some(link) = self.links.get(part as usize) {
                if left == 0 {
                    let removals = exported.removals;
                    slice.next = Some(Cursor { index, within: Some(Within { part, has_row, removals }) });
                    return slice;
                }
                left -= 1;
                series_at(part).into_iter().for_each(|value| push(value, &mut has_row));
                part = link.after;
            }
            let removed = exported.removed.as_deref().map(|removed| (removed, None));
            read_some(removed, &read).into_iter().for_each(|value| push(value, &mut has_row));
        }
        slice
    }

    /// Hash of the values of labels. With 128 bits, two of a million are equal by chance with a
    /// probability of 10^-27; both hashers have a random seed.
    fn hash(&self, labels: Labels<'_>) -> u128 {
        let hash = |hasher: &foldhash::quality::RandomState| {
            let mut hasher = hasher.build_hasher();
            labels.iter().for_each(|(_, value)| value.hash(&mut hasher));
            u128::from(hasher.finish())
        };
        let [high, low] = self.hashers.each_ref().map(hash);
        high << 64 | low
    }
}

fn read_some<V, T>(
    series: Option<(&V, Option<Exemplar>)>,
    read: impl Fn(&V, Option<Exemplar>) -> Option<T>,
) -> Option<T> {
    series.and_then(|(series, exemplar)| read(series, exemplar))
}

#[cfg(test)]
mod tests;
