//! Series of requests in a snapshot.
//!
//! In: all series, or their bytes. Out: the other of the two. Invariant: edges are named by their
//! ids, which the section of the edge table restores; all series are restored, whatever the limits
//! are.

use super::key::SeriesKey;
use super::{Aggregate, NONE, Series};
use crate::identity::{EdgeId, EdgeTable, RESTORED_ID_MAX};
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer};

/// Distance at which the counters of a series are prefetched, in series: they lie anywhere in
/// memory.
const PREFETCH_DISTANCE: usize = 16;

impl SnapshotState for Aggregate {
    fn save(&self, to: &mut Writer) {
        self.series.len().save(to);
        let mut ahead = self.series.iter().skip(PREFETCH_DISTANCE);
        for (number, entry) in &self.series {
            ahead.next().into_iter().for_each(|(_, entry)| entry.series.stats.prefetch());
            self.series_key(number, entry).save(to);
            entry.series.save(to);
        }
        self.save_removed(to);
        for sum in [self.overflowed, self.expired_series, self.expired_requests] {
            sum.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        let mut numbers = Vec::new();
        for _ in 0..from.count()? {
            let key = SeriesKey::load(from)?;
            let restored = Series::load(from)?;
            let created_us = restored.created_us();
            if matches!(key, SeriesKey::Edge(EdgeId(edge), _) if edge > RESTORED_ID_MAX) {
                return Err(from.broken("the id of an edge is over the limit"));
            }
            let number = match key {
                SeriesKey::Edge(EdgeId(edge), outcome) => {
                    let next = self.first.get(edge as usize).copied().unwrap_or(NONE);
                    self.insert(edge, outcome, next, created_us)
                }
                SeriesKey::Overflow(reporter) => Some(self.reporter_overflow(reporter, created_us)),
                SeriesKey::NamespaceOverflow(reporter, namespace) => {
                    self.budget.add_overflow(reporter, namespace.clone());
                    self.namespace_overflow(reporter, &namespace, created_us)
                }
            };
            numbers.push(number.unwrap_or(NONE));
            if let Some(entry) = number.and_then(|number| self.series.get_mut(number as usize)) {
                entry.series = restored;
            }
        }
        for (position, removed) in Vec::<(usize, Series)>::load(from)? {
            let number = numbers.get(position).copied();
            self.restored.push((number.ok_or_else(|| from.broken("no such series"))?, removed));
        }
        self.overflowed = SnapshotValue::load(from)?;
        self.expired_series = SnapshotValue::load(from)?;
        self.expired_requests = SnapshotValue::load(from)?;
        Ok(())
    }
}

impl Aggregate {
    /// Counts the restored series of each namespace; after all sections of a snapshot are read.
    pub(crate) fn restore_budget(&mut self, edges: &EdgeTable) {
        self.restore_projection(edges);
        let Self { series, budget, .. } = self;
        let named = series.iter().filter(|(_, entry)| entry.edge != NONE);
        for (_, entry) in named {
            edges.namespace(EdgeId(entry.edge)).into_iter().for_each(|namespace| budget.add(namespace));
        }
    }

    /// Writes the sums of removed parts, each with the position of a series in the snapshot that is
    /// a part of the same exported series.
    fn save_removed(&self, to: &mut Writer) {
        let mut removed: Vec<_> = self.projection.removed().collect();
        removed.sort_unstable_by_key(|(number, _)| *number);
        removed.len().save(to);
        let mut positions = self.series.iter().map(|(number, _)| number).enumerate();
        for (number, removed) in removed {
            let position = positions.find(|(_, known)| *known == number).map_or(usize::MAX, |it| it.0);
            position.save(to);
            removed.save(to);
        }
    }
}
