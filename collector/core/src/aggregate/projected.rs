//! Exported series of requests.
//!
//! In: series that are added and removed. Out: slices of the series that are exported. Invariant:
//! the requests of all exported series are those of all series, and those of expired series of
//! which an exported series has other parts.

use super::labels::SeriesLabels;
use super::{Aggregate, Exemplar, Key, Series};
use crate::identity::EdgeTable;
use crate::metrics::{self, Cursor, ExportedLabels, Part, Slice};

/// Key of an exported series: that of one of its parts, and the labels that are exported.
pub(crate) type ExportedKey = (Key, ExportedLabels);

impl Part for Series {
    fn merge(&mut self, other: &Self) {
        self.stats.merge(&other.stats);
        self.created_s = self.created_s.min(other.created_s);
        self.last_s = self.last_s.max(other.last_s);
    }
}

impl Aggregate {
    /// Number of exported series.
    #[must_use]
    pub fn exported(&self) -> usize {
        self.projection.len()
    }

    /// Adds a new series to the exported series that has its labels.
    pub(super) fn project(&mut self, number: u32, key: &Key) {
        let Self { projection, exported, .. } = self;
        let labels = SeriesLabels::of(key);
        exported.select(&labels.pairs(), |labels| projection.add(number as usize, labels));
    }

    /// Rebuilds the exported series of a snapshot; after all sections are read.
    pub(super) fn restore_projection(&mut self, edges: &EdgeTable) {
        let named = self.series.iter().filter(|(_, entry)| entry.edge != super::NONE);
        let keys: Vec<_> = named
            .filter_map(|(number, entry)| Some((number, self.series_key(number, entry).resolve(edges)?)))
            .collect();
        for (number, key) in keys {
            self.project(u32::try_from(number).unwrap_or(super::NONE), &key);
        }
        for (number, removed) in std::mem::take(&mut self.restored) {
            self.projection.restore(number as usize, &removed);
        }
    }

    /// Reads exported series from a cursor on.
    pub(super) fn exported_slice<T>(
        &self,
        edges: &EdgeTable,
        from: Cursor,
        read: impl Fn(&Series, Option<metrics::Exemplar>) -> Option<T>,
    ) -> Slice<ExportedKey, T> {
        let exemplar = |number: usize| self.exemplars.get(u32::try_from(number).ok()?);
        let series = |number: usize| {
            let entry = self.series.get(number)?;
            Some((&entry.series, exemplar(number).map(metrics::Exemplar::from)))
        };
        let key = |number: usize| {
            let entry = self.series.get(number)?;
            Some((self.series_key(number, entry).resolve(edges)?, self.exported))
        };
        self.projection.slice(from, series, key, read)
    }
}

impl From<Exemplar> for metrics::Exemplar {
    fn from(exemplar: Exemplar) -> Self {
        let Exemplar { request_id_hash, duration_us, ended_us } = exemplar;
        Self { request_id_hash, duration_us, ended_us }
    }
}
