//! Metric families of the ledger, summed over all epochs.
//!
//! Invariant: `seen = delivered + folded + dropped + missing + in_flight + unaccounted +
//! pre_restart_requests`.

use super::{Entry, Ledger};
use crate::batch::{DropReason, RowReason};
use crate::metrics::{Family, Metric, Visitor, families, visit, visit_rows};

/// Sum over all epochs, and the sizes of the ledger.
struct Summary {
    total: Entry,
    unaccounted: u64,
    pre_restart: u64,
    history_entries: usize,
    epochs: usize,
    evicted: u64,
}

static COUNTERS: [Metric<Summary>; 9] = [
    Metric::counter(
        "hopscope_ledger_seen_total",
        "Finished requests and closed TCP connections that filters have seen.",
        |ledger| Some(ledger.total.seen),
    ),
    Metric::counter(
        "hopscope_ledger_delivered_total",
        "Finished requests and closed TCP connections received as individual records.",
        |ledger| Some(ledger.total.delivered),
    ),
    Metric::counter(
        "hopscope_ledger_folded_total",
        "Finished requests and closed TCP connections received in fold rows.",
        |ledger| Some(ledger.total.folded),
    ),
    Metric::counter(
        "hopscope_ledger_missing_total",
        "Requests that were sent by filters but not received before their epoch was closed.",
        |ledger| Some(ledger.total.missing),
    ),
    Metric::counter(
        "hopscope_ledger_duplicate_total",
        "Repeated batches, which were not counted again.",
        |ledger| Some(ledger.total.duplicates),
    ),
    Metric::counter(
        "hopscope_ledger_uncertain_total",
        "Counted requests that another collector may count as well: an earlier attempt had no answer.",
        |ledger| Some(ledger.total.uncertain),
    ),
    Metric::counter(
        "hopscope_ledger_uncertain_batches_total",
        "Batches whose requests another collector may count as well: an earlier attempt had no answer.",
        |ledger| Some(ledger.total.uncertain_batches),
    ),
    Metric::counter(
        "hopscope_ledger_moved_total",
        "Counted requests whose time was too far from the collector's clock, and was moved.",
        |ledger| Some(ledger.total.moved),
    ),
    Metric::counter(
        "hopscope_ledger_epochs_evicted_total",
        "Epochs that were closed for others because `ledger.epochs_max` were open; their counts stay.",
        |ledger| Some(ledger.evicted),
    ),
];

static DROPPED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_ledger_dropped_total",
    "Requests that will never be counted, by reason.",
    &["reason"],
)];

static REJECTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_ledger_rejected_rows_total",
    "Invalid rows of accepted reports, by reason. Their requests count as dropped.",
    &["reason"],
)];

static GAUGES: [Metric<Summary>; 6] = [
    Metric::gauge(
        "hopscope_ledger_pre_restart_requests",
        "Requests that were reported to an earlier process of the collector and are not in its state.",
        |ledger| ledger.pre_restart.into(),
    ),
    Metric::gauge(
        "hopscope_ledger_unaccounted",
        "Requests that filters have sent and the collector has not received, in open epochs.",
        |ledger| ledger.unaccounted.into(),
    ),
    Metric::gauge(
        "hopscope_ledger_history_entries",
        "Entries that the ledger keeps of earlier times, one per proxy and time.",
        |ledger| ledger.history_entries.into(),
    ),
    Metric::gauge(
        "hopscope_ledger_in_flight",
        "Finished requests buffered in filters for a later batch.",
        |ledger| ledger.total.in_flight.into(),
    ),
    Metric::gauge(
        "hopscope_ledger_missing_batches",
        "Batches that have not arrived although a later one of their epoch has.",
        |ledger| ledger.total.batches_missing.into(),
    ),
    Metric::gauge("hopscope_ledger_epochs", "Open epochs, one per filter VM.", |ledger| ledger.epochs.into()),
];

/// Reasons that have a sample even while their count is 0, so that their first case is an increase.
const ALWAYS: [DropReason; 8] = [
    DropReason::FoldTableFull,
    DropReason::BatchRejected,
    DropReason::TooLarge,
    DropReason::EpochEnded,
    DropReason::Rejected(RowReason::Edge),
    DropReason::Rejected(RowReason::Outcome),
    DropReason::Rejected(RowReason::Duration),
    DropReason::Rejected(RowReason::Fold),
];

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&COUNTERS).chain(families(&DROPPED)).chain(families(&REJECTED)).chain(families(&GAUGES))
}

impl Ledger {
    /// Visits the families of the stage.
    pub fn metrics(&self, to: &mut impl Visitor) {
        let mut total = Entry::default();
        self.entries().values().for_each(|entry| total.add(entry));
        let unaccounted = u64::try_from(total.unaccounted()).unwrap_or(0);
        let mut drops = std::mem::take(&mut total.drops);
        // A gauge, since a late batch lowers it.
        let pre_restart = drops.remove(&DropReason::CollectorRestart).unwrap_or(0);
        let mut dropped: Vec<_> =
            ALWAYS.iter().map(|reason| (reason.to_string(), drops.remove(reason).unwrap_or(0))).collect();
        dropped.extend(drops.iter().map(|(reason, count)| (reason.to_string(), *count)));
        let dropped: Vec<_> = dropped.iter().map(|(reason, count)| ([reason.as_str()], *count)).collect();
        let rows = |reason| total.rejected_rows.get(&reason).copied().unwrap_or(0);
        let rejected = RowReason::ALL.map(|reason| ([reason.label()], rows(reason)));
        let summary = Summary {
            total,
            unaccounted,
            pre_restart,
            history_entries: self.remembered(),
            epochs: self.open(),
            evicted: self.evicted(),
        };
        visit(&COUNTERS, &summary, to);
        visit_rows(&DROPPED, &dropped, to);
        visit_rows(&REJECTED, &rejected, to);
        visit(&GAUGES, &summary, to);
    }
}
