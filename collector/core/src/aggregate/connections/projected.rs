//! Exported series of connections and streams.
//!
//! In: series that are added and removed. Out: slices of the series that are exported, as for
//! requests.

use super::{ConnectionSeries, Series};
use crate::aggregate::labels::SeriesLabels;
use crate::aggregate::projected::ExportedKey;
use crate::identity::EdgeTable;
use crate::metrics::{Cursor, Exemplar, Part, Slice};

impl Part for Series {
    fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.created_us = self.created_us.min(other.created_us);
        self.last_us = self.last_us.max(other.last_us);
    }
}

impl ConnectionSeries {
    /// Adds the series in a slot to the exported series that has its labels.
    pub(super) fn project(&mut self, edges: &EdgeTable, slot: usize) {
        let Self { series, projection, exported, .. } = self;
        let Some(key) = series.get(slot).and_then(|(key, _)| key.resolve(edges)) else { return };
        let labels = SeriesLabels::of(&key);
        exported.select(&labels.pairs(), |labels| projection.add(slot, labels));
    }

    /// Rebuilds the exported series of a snapshot; after all sections are read.
    pub(super) fn restore_projection(&mut self, edges: &EdgeTable) {
        (0..self.series.end()).for_each(|slot| self.project(edges, slot));
        for (slot, removed) in std::mem::take(&mut self.restored) {
            self.projection.restore(slot, &removed);
        }
    }

    /// Reads exported series from a cursor on.
    pub(super) fn exported_slice<T>(
        &self,
        edges: &EdgeTable,
        from: Cursor,
        read: impl Fn(&Series, Option<Exemplar>) -> Option<T>,
    ) -> Slice<ExportedKey, T> {
        let series = |slot: usize| self.series.get(slot).map(|(_, series)| (series, None));
        let key = |slot: usize| Some((self.series.get(slot)?.0.resolve(edges)?, self.exported));
        self.projection.slice(from, series, key, read)
    }
}
