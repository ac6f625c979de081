//! Known loss of telemetry per proxy.
//!
//! In: batches. Out: whether a record of a proxy may be missing for a known reason: records are
//! lost, or the proxy has not reported that time yet.
//! Invariant: folded, dropped and rejected records count as lost at once. A gap in the sequence of batches
//! counts as long as it is open. Batches acknowledged before a restart of the collector and not
//! recovered count as lost. An epoch whose last batch arrived before the end of a request has not
//! reported that request, whether its proxy is silent, cut off, killed or replaced.

use crate::batch::Batch;
use crate::snapshot::codec::snapshot;

/// Limit of epochs per proxy, one for each of its worker threads. The epoch with the oldest report
/// is removed first.
const EPOCHS_MAX: usize = 64;

/// Longest time without a batch of an epoch that still runs while others of its proxy report: two
/// heartbeats of the filter. An epoch that has been silent for longer has ended.
const SILENCE_US_MAX: u64 = 30 * 1_000_000;

#[derive(Debug, Clone, Copy)]
struct Epoch {
    epoch: u64,
    first: u64,
    highest: u64,
    received: u64,
    dropped: u64,
    /// Time at which a batch last opened a gap in the sequence; 0 for never.
    overtaken_us: u64,
    last_seen_us: u64,
    /// Requests that the highest batch left in the buffer of the proxy.
    buffered: u64,
}

/// Epochs of one proxy, and its losses.
#[derive(Debug, Default)]
pub(super) struct TelemetryLoss {
    epochs: Vec<Epoch>,
    /// Time of the last report of folded or dropped records; 0 for never.
    last_loss_us: u64,
    pub(super) last_seen_us: u64,
}

snapshot!(struct Epoch { epoch, first, highest, received, dropped, overtaken_us, last_seen_us, buffered });
snapshot!(struct TelemetryLoss { epochs, last_loss_us, last_seen_us });

impl TelemetryLoss {
    /// Records a batch that is not a duplicate. Returns whether it reports a loss.
    pub(super) fn record(&mut self, batch: &Batch, now_us: u64) -> bool {
        self.last_seen_us = now_us;
        let dropped = batch.totals.dropped.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let epoch = self.epoch(batch, dropped, now_us);
        // Earlier batches of an epoch that starts here above sequence 1 were acknowledged before a
        // restart.
        let lost = !batch.folds.is_empty()
            || !batch.rejected.is_empty()
            || dropped > epoch.dropped
            || epoch.received == 0 && batch.sequence > 1;
        let overtakes = batch.sequence > epoch.highest.saturating_add(1);
        epoch.received = epoch.received.saturating_add(1);
        epoch.first = epoch.first.min(batch.sequence);
        if batch.sequence > epoch.highest {
            epoch.buffered = batch.totals.buffered;
        }
        epoch.highest = epoch.highest.max(batch.sequence);
        epoch.dropped = epoch.dropped.max(dropped);
        epoch.last_seen_us = now_us;
        if overtakes {
            epoch.overtaken_us = now_us;
        }
        if lost {
            self.last_loss_us = now_us;
        }
        lost
    }

    /// Whether records are lost, or not delivered yet, since `since_us`.
    pub(super) fn is_lost_since(&self, since_us: u64) -> bool {
        let holes = |epoch: &Epoch| {
            let expected = epoch.highest.saturating_sub(epoch.first).saturating_add(1);
            epoch.overtaken_us >= since_us && epoch.overtaken_us > 0 && epoch.received < expected
        };
        self.last_loss_us > 0 && self.last_loss_us >= since_us || self.epochs.iter().any(holes)
    }

    /// Whether the proxy is known to have reported a request that ended at `end_us`. `silent_us`: an
    /// epoch without a batch since then keeps the requests that its last batch left in the buffer.
    pub(super) fn has_reported(&self, end_us: u64, silent_us: u64) -> bool {
        let since_us = end_us.saturating_sub(SILENCE_US_MAX);
        let has_unreported = |epoch: &Epoch| {
            let is_silent = epoch.last_seen_us < silent_us && epoch.buffered > 0;
            epoch.last_seen_us >= since_us && (epoch.last_seen_us < end_us || is_silent)
        };
        self.last_seen_us >= end_us && !self.epochs.iter().any(has_unreported)
    }

    fn epoch(&mut self, batch: &Batch, total: u64, now_us: u64) -> &mut Epoch {
        let wanted = batch.epoch_id.epoch;
        if let Some(index) = self.epochs.iter().position(|epoch| epoch.epoch == wanted) {
            return epoch_at(&mut self.epochs, index);
        }
        let before = batch.sequence.saturating_sub(1);
        let fresh = Epoch {
            epoch: wanted,
            first: batch.sequence,
            highest: before,
            received: 0,
            // Drops before the first batch of an epoch have no known time.
            dropped: if before > 0 { total } else { 0 },
            overtaken_us: 0,
            last_seen_us: now_us,
            buffered: batch.totals.buffered,
        };
        while self.epochs.len() >= EPOCHS_MAX {
            let oldest = self.epochs.iter().enumerate().min_by_key(|(_, epoch)| epoch.last_seen_us);
            if let Some((index, _)) = oldest {
                self.epochs.swap_remove(index);
            }
        }
        self.epochs.push(fresh);
        let index = self.epochs.len().saturating_sub(1);
        epoch_at(&mut self.epochs, index)
    }
}

#[expect(clippy::indexing_slicing, reason = "the index was found or pushed just before")]
fn epoch_at(epochs: &mut [Epoch], index: usize) -> &mut Epoch {
    &mut epochs[index]
}

#[cfg(test)]
mod tests {
    use super::TelemetryLoss;
    use crate::batch::{Batch, DropReason, Edges, EpochId, Fold, Totals};

    fn batch(epoch: u64, sequence: u64, dropped: u64, folds: usize) -> Batch {
        Batch {
            epoch_id: EpochId { proxy: "p".into(), epoch },
            sequence,
            identity: None,
            totals: Totals { dropped: vec![(DropReason::BatchRejected, dropped)], ..Totals::default() },
            edges: Edges::default(),
            in_flight: Vec::new(),
            connections: crate::batch::Connections::default(),
            streams: Vec::new(),
            messages: Vec::new(),
            attempt: 1,
            details: crate::batch::Details::default(),
            outcomes: Vec::new(),
            records: Vec::new(),
            folds: vec![Fold::default(); folds],
            ..Batch::example()
        }
    }

    /// Asserts, for each microsecond, whether a loss since then is known. Reports are `(epoch,
    /// sequence, dropped, folds)`, one per microsecond from 1 on.
    #[track_caller]
    fn check(reports: &[(u64, u64, u64, usize)], expected: &[bool]) {
        let mut losses = TelemetryLoss::default();
        for (now_us, (epoch, sequence, dropped, folds)) in (1..).zip(reports) {
            losses.record(&batch(*epoch, *sequence, *dropped, *folds), now_us);
        }
        let since: Vec<bool> =
            (1..).zip(expected).map(|(since_us, _)| losses.is_lost_since(since_us)).collect();
        assert_eq!(since, expected);
    }

    /// Asserts, for ends of requests in seconds, whether they are known to be reported, 15 s after the
    /// end. Reports are `(second, epoch, buffered)`.
    #[track_caller]
    fn check_reported(reports: &[(u64, u64, u64)], expected: &[(u64, bool)]) {
        let mut losses = TelemetryLoss::default();
        for (sequence, (second, epoch, buffered)) in (1..).zip(reports) {
            let mut batch = batch(*epoch, sequence, 0, 0);
            batch.totals.buffered = *buffered;
            losses.record(&batch, second * 1_000_000);
        }
        let actual: Vec<(u64, bool)> = expected
            .iter()
            .map(|(second, _)| (*second, losses.has_reported(second * 1_000_000, second * 1_000_000)))
            .collect();
        assert_eq!(actual, expected);
    }

    #[test]
    fn a_silent_epoch_has_not_reported() {
        check_reported(&[(10, 7, 0)], &[(9, true), (10, true), (11, false), (500, false)]);
        // The proxy was replaced: its old epoch never reports again.
        check_reported(&[(10, 7, 0), (20, 8, 0)], &[(9, true), (11, false), (20, false)]);
        check_reported(&[(10, 7, 0), (60, 8, 0)], &[(11, false), (40, false), (41, true), (61, false)]);
        // The last batch left requests in the buffer.
        check_reported(&[(10, 7, 3)], &[(9, true), (10, true), (11, false)]);
        let mut losses = TelemetryLoss::default();
        let mut last = batch(7, 1, 0, 0);
        last.totals.buffered = 3;
        losses.record(&last, 10);
        assert_eq!([losses.has_reported(9, 10), losses.has_reported(9, 11)], [true, false]);
    }

    #[test]
    fn folds_drops_and_gaps_count_as_loss() {
        check(&[(7, 1, 0, 0), (7, 2, 0, 0)], &[false, false]);
        check(&[(7, 1, 0, 0), (7, 2, 0, 1), (7, 3, 0, 0)], &[true, true, false]);
        check(&[(7, 1, 0, 0), (7, 2, 5, 0), (7, 3, 5, 0)], &[true, true, false]);
        check(&[(7, 1, 0, 0), (7, 3, 0, 0), (8, 1, 0, 0)], &[true, true, false]);
        check(&[(7, 1, 0, 0), (7, 3, 0, 0), (7, 2, 0, 0)], &[false, false]);
        check(&[(7, 4, 0, 0), (7, 3, 0, 0), (7, 5, 0, 0)], &[true, false]);
    }
}
