//! When a proxy is known to have lost records.
//!
//! In: reports. Out: whether a record of a proxy may be missing for a known reason at some time. Always holds: what a filter
//! folded or dropped counts at once; a batch that was overtaken counts only as long as it has not come; what was told to an
//! earlier life of the collector counts as lost.

use crate::batch::Batch;

/// Epochs of a proxy that are watched: one per worker thread; of more the one silent for longest is let go.
const EPOCHS_MAX: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Epoch {
    epoch: u64,
    first: u64,
    highest: u64,
    came: u64,
    dropped: u64,
    /// When a batch was overtaken last; 0 never.
    overtaken_us: u64,
    last_us: u64,
}

/// What is known of one proxy.
#[derive(Debug, Default)]
pub(super) struct Losses {
    epochs: Vec<Epoch>,
    /// When it folded or dropped last; 0 never.
    lost_us: u64,
    pub(super) last_us: u64,
}

impl Losses {
    /// Notes a batch that was not there before. Whether it tells of a loss.
    pub(super) fn note(&mut self, batch: &Batch, now_us: u64) -> bool {
        self.last_us = now_us;
        let dropped = batch.totals.dropped.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let epoch = self.epoch(batch, dropped, now_us);
        // What an epoch told before it was first heard of, it told to an earlier life of the collector.
        let lost =
            !batch.folds.is_empty() || dropped > epoch.dropped || epoch.came == 0 && batch.sequence > 1;
        let overtakes = batch.sequence > epoch.highest.saturating_add(1);
        epoch.came = epoch.came.saturating_add(1);
        epoch.first = epoch.first.min(batch.sequence);
        epoch.highest = epoch.highest.max(batch.sequence);
        epoch.dropped = epoch.dropped.max(dropped);
        epoch.last_us = now_us;
        if overtakes {
            epoch.overtaken_us = now_us;
        }
        if lost {
            self.lost_us = now_us;
        }
        lost
    }

    /// Whether something is known to be lost, or on its way, since `since_us`.
    pub(super) fn since(&self, since_us: u64) -> bool {
        let holes = |epoch: &Epoch| {
            let expected = (epoch.highest - epoch.first).saturating_add(1);
            epoch.overtaken_us >= since_us && epoch.overtaken_us > 0 && epoch.came < expected
        };
        self.lost_us > 0 && self.lost_us >= since_us || self.epochs.iter().any(holes)
    }

    fn epoch(&mut self, batch: &Batch, total: u64, now_us: u64) -> &mut Epoch {
        let wanted = batch.epoch_id.epoch;
        if let Some(place) = self.epochs.iter().position(|epoch| epoch.epoch == wanted) {
            return place_of(&mut self.epochs, place);
        }
        let before = batch.sequence.saturating_sub(1);
        let fresh = Epoch {
            epoch: wanted,
            first: batch.sequence,
            highest: before,
            came: 0,
            // What an epoch had dropped before it was first heard of is of an unknown time.
            dropped: if before > 0 { total } else { 0 },
            overtaken_us: 0,
            last_us: now_us,
        };
        if self.epochs.len() >= EPOCHS_MAX {
            let oldest = self.epochs.iter().enumerate().min_by_key(|(_, epoch)| epoch.last_us);
            if let Some((place, _)) = oldest {
                self.epochs.swap_remove(place);
            }
        }
        self.epochs.push(fresh);
        let place = self.epochs.len().saturating_sub(1);
        place_of(&mut self.epochs, place)
    }
}

#[expect(clippy::indexing_slicing, reason = "the place was found or pushed just before")]
fn place_of(epochs: &mut [Epoch], place: usize) -> &mut Epoch {
    &mut epochs[place]
}

#[cfg(test)]
mod tests {
    use super::Losses;
    use crate::batch::{Batch, DropReason, Edges, EpochId, Fold, Totals};

    fn batch(epoch: u64, sequence: u64, dropped: u64, folds: usize) -> Batch {
        Batch {
            epoch_id: EpochId { proxy: "p".into(), epoch },
            sequence,
            identity: None,
            totals: Totals { dropped: vec![(DropReason::Refused, dropped)], ..Totals::default() },
            edges: Edges::default(),
            open: Vec::new(),
            connections: crate::batch::Connections::default(),
            streams: Vec::new(),
            messages: Vec::new(),
            attempt: 1,
            details: crate::batch::Details::default(),
            outcomes: Vec::new(),
            records: Vec::new(),
            folds: vec![Fold::default(); folds],
        }
    }

    /// Reports as `(epoch, sequence, dropped, folds)`, one a microsecond from 1 on; known losses since each microsecond out.
    #[track_caller]
    fn check(reports: &[(u64, u64, u64, usize)], expected: &[bool]) {
        let mut losses = Losses::default();
        for (now_us, (epoch, sequence, dropped, folds)) in (1..).zip(reports) {
            losses.note(&batch(*epoch, *sequence, *dropped, *folds), now_us);
        }
        let since: Vec<bool> = (1..).zip(expected).map(|(since_us, _)| losses.since(since_us)).collect();
        assert_eq!(since, expected);
    }

    #[test]
    fn folds_drops_and_holes_count() {
        check(&[(7, 1, 0, 0), (7, 2, 0, 0)], &[false, false]);
        check(&[(7, 1, 0, 0), (7, 2, 0, 1), (7, 3, 0, 0)], &[true, true, false]);
        check(&[(7, 1, 0, 0), (7, 2, 5, 0), (7, 3, 5, 0)], &[true, true, false]);
        check(&[(7, 1, 0, 0), (7, 3, 0, 0), (8, 1, 0, 0)], &[true, true, false]);
        check(&[(7, 1, 0, 0), (7, 3, 0, 0), (7, 2, 0, 0)], &[false, false]);
        check(&[(7, 4, 0, 0), (7, 3, 0, 0), (7, 5, 0, 0)], &[true, false]);
    }
}
