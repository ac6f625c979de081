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
        for sum in [self.overflowed, self.expired_series, self.expired_requests] {
            sum.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
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
            if let Some(entry) = number.and_then(|number| self.series.get_mut(number as usize)) {
                entry.series = restored;
            }
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
        let Self { series, budget, .. } = self;
        let named = series.iter().filter(|(_, entry)| entry.edge != NONE);
        for (_, entry) in named {
            edges.namespace(EdgeId(entry.edge)).into_iter().for_each(|namespace| budget.add(namespace));
        }
    }
}
