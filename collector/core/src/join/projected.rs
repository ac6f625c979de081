//! Exported edges of hops.
//!
//! In: edges that are added and removed. Out: slices of the edges that differ in the exported labels.
//! Invariant: hops of an edge that was removed stay in its exported edge until that ends.

use super::{EdgeEntry, EdgeHops, HopEdge, Join};
use crate::metrics::{Cursor, Exemplar, ExportedLabels, Labels, Part, Projection, Slice};
use crate::snapshot::Unreadable;
use crate::snapshot::bytes::{Reader, Writer};
use crate::snapshot::codec::SnapshotValue;

/// Labels of an edge of hops.
pub(super) const EDGE_NAMES: [&str; 7] = [
    "source_workload",
    "source_workload_namespace",
    "source_version",
    "destination_workload",
    "destination_workload_namespace",
    "destination_version",
    "destination_service",
];

/// Value of all labels of the edges beyond the limit.
const OVERFLOW: &str = "overflow";
/// Slot of the edges beyond the limit in the projection; an edge has its number plus one.
const OVERFLOW_SLOT: usize = 0;

/// Edge of hops, `None` for the edges beyond the limit, and the labels that are exported.
pub(crate) type ExportedEdge = (Option<HopEdge>, ExportedLabels);

impl Part for EdgeHops {
    fn merge(&mut self, other: &Self) {
        self.add_hops(other);
    }
}

/// Passes on the exported labels of an edge.
pub(super) fn with_labels(edge: Option<&HopEdge>, exported: ExportedLabels, with: impl FnOnce(Labels<'_>)) {
    let mut labels = EDGE_NAMES.map(|name| (name, OVERFLOW));
    if let Some(HopEdge { source, destination, service }) = edge {
        let values = [
            &source.workload,
            &source.namespace,
            &source.version,
            &destination.workload,
            &destination.namespace,
            &destination.version,
            service,
        ];
        labels.iter_mut().zip(values).for_each(|(label, value)| label.1 = value);
    }
    exported.select(&labels, with);
}

fn slot_of(number: u32) -> usize {
    number as usize + 1
}

impl Join {
    /// Sets the exported labels, before there are edges.
    #[must_use]
    pub fn exporting(self, exported: ExportedLabels) -> Self {
        let mut projection = Projection::default();
        with_labels(None, exported, |labels| projection.add(OVERFLOW_SLOT, labels));
        Self { exported, projection, ..self }
    }

    /// Number of an edge; a new one becomes a part of an exported edge.
    pub(super) fn edge_number(&mut self, key: super::edge_stats::EdgeKey) -> Option<u32> {
        let mut is_new = false;
        let number = self.edges.number(&key, || {
            is_new = true;
            EdgeEntry::default()
        })?;
        if is_new {
            let Self { names, exported, projection, .. } = self;
            let edge = names.name(key);
            with_labels(edge.as_ref(), *exported, |labels| projection.add(slot_of(number), labels));
        }
        Some(number)
    }

    /// Removes edges without records since a time from their exported edges.
    pub(super) fn remove_idle_exported(&mut self, since_us: u64) {
        let Self { edges, projection, stats, .. } = self;
        for (number, _) in edges.numbered() {
            let idle = edges.get(number).filter(|entry| entry.last_seen_us < since_us);
            let ended = idle.and_then(|entry| projection.remove(slot_of(number), &entry.hops));
            ended.iter().for_each(|hops| stats.add_expired(hops));
        }
    }

    /// Makes restored edges parts of their exported edges.
    pub(super) fn project_edges(&mut self) {
        let Self { edges, names, exported, projection, .. } = self;
        for (number, key) in edges.numbered() {
            let edge = names.name(*key);
            with_labels(edge.as_ref(), *exported, |labels| projection.add(slot_of(number), labels));
        }
    }

    /// Writes the sums of removed edges, each with the slot of an edge that remains.
    pub(super) fn save_removed(&self, to: &mut Writer) {
        let mut removed: Vec<_> = self.projection.removed().collect();
        removed.sort_unstable_by_key(|(slot, _)| *slot);
        removed.len().save(to);
        for (slot, hops) in removed {
            slot.save(to);
            hops.save(to);
        }
    }

    /// Reads the sums of removed edges, after the edges.
    pub(super) fn restore_removed(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        for _ in 0..from.count()? {
            let (slot, hops) = (usize::load(from)?, EdgeHops::load(from)?);
            self.projection.restore(slot, &hops);
        }
        Ok(())
    }

    /// Reads exported edges from a cursor on.
    pub(super) fn exported_slice<T>(
        &self,
        from: Cursor,
        read: impl Fn(&EdgeHops, Option<Exemplar>) -> Option<T>,
    ) -> Slice<ExportedEdge, T> {
        let entry = |slot: usize| self.edges.range(slot.checked_sub(1)?..slot).next();
        let series = |slot: usize| match slot {
            OVERFLOW_SLOT => Some((self.overflow(), None)),
            _ => entry(slot).map(|(_, entry)| (&entry.hops, None)),
        };
        let key = |slot: usize| match slot {
            OVERFLOW_SLOT => Some((None, self.exported)),
            _ => entry(slot).map(|(key, _)| (self.names.name(*key), self.exported)),
        };
        self.projection.slice(from, series, key, read)
    }
}
