//! Statistics of the requests of a batch for the windows, by edge.
//!
//! In: requests that are counted in a series. Out: one addition to the windows per edge and batch.
//! Invariant: requests that are pending resolution are added when they are resolved.

use super::Engine;
use crate::batch::{Batch, Fold, Identity, Record, Reporter};
use crate::identity::EdgeId;
use crate::recent::windows::WindowStats;

/// Statistics of one batch.
#[derive(Debug, Default)]
pub(super) struct BatchTallies {
    /// Resolved edge and statistics, by the index in [`Batch::edges`].
    edges: Vec<(Option<EdgeId>, WindowStats)>,
}

impl BatchTallies {
    /// Begins a batch.
    pub(super) fn begin(&mut self, batch: &Batch) {
        self.edges.clear();
        self.edges.resize(batch.edges.len(), (None, WindowStats::default()));
    }

    /// Sets the id of a resolved edge.
    pub(super) fn set_edge(&mut self, index: usize, edge: Option<EdgeId>) {
        if let Some((known, _)) = self.edges.get_mut(index) {
            *known = edge;
        }
    }

    #[inline]
    pub(super) fn record(&mut self, record: &Record, failed: bool) {
        if let Some((_, stats)) = self.edges.get_mut(record.edge) {
            stats.record(record.duration_us, failed);
        }
    }

    pub(super) fn fold(&mut self, fold: &Fold, failed: bool) {
        if let Some((_, stats)) = self.edges.get_mut(fold.edge) {
            stats.add(WindowStats {
                requests: fold.count,
                failed: if failed { fold.count } else { 0 },
                duration_us_sum: fold.durations.sum_us,
                duration_us_max: fold.durations.max_us,
            });
        }
    }
}

/// Returns the address of the called instance of an edge. `fallback`: its name if it has no
/// address.
pub(super) fn called<'a>(
    reporter: Reporter,
    own: &'a Identity,
    peer_address: &'a str,
    fallback: &'a str,
) -> &'a str {
    match reporter {
        Reporter::Destination => own.addresses.first().map_or(fallback, |address| &**address),
        Reporter::Source | Reporter::Waypoint => peer_address,
    }
}

impl Engine {
    /// Adds the statistics of a batch to the windows.
    pub(super) fn add_to_windows(
        &mut self,
        batch: &Batch,
        tallies: &BatchTallies,
        own: &Identity,
        now_us: u64,
    ) {
        for (index, (edge, stats)) in tallies.edges.iter().enumerate().filter(|(_, it)| it.1.requests > 0) {
            let reporter = batch.edges.reporter(index).unwrap_or_default();
            let address = batch.edges.peer_address(index);
            let instance = called(reporter, own, address, &batch.epoch_id.proxy);
            self.windows.add(*edge, instance, *stats, now_us);
        }
    }
}
