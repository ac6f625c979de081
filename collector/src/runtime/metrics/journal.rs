//! Metric families of the journal and its snapshots.
//!
//! Invariant: the meaning of an acknowledgement is exported with and without a journal.

use crate::runtime::self_metrics::journal::{self as stats, COMMIT_BATCHES, COMMIT_US, JournalStats};
use hopscope_core::metrics::{self, Buckets, Family, Metric, Visitor, families, seconds, visit_rows};
use std::sync::atomic::Ordering;

static DURABILITY: [Metric<u64>; 1] = [Metric::<u64>::gauge(
    "hopscope_durability_info",
    "Location of a report at the time of its acknowledgement, `disk` or `memory`; always 1.",
    |one| (*one).into(),
)
.labels(&["durability"])];

static COUNTERS: [Metric<JournalStats>; 12] = [
    Metric::counter("hopscope_journal_batches_total", "Batches committed to the journal.", |stats| {
        Some(stats.batches.get())
    }),
    Metric::counter(
        "hopscope_journal_append_errors_total",
        "Failed attempts to write or sync the journal; their batches were rejected.",
        |stats| Some(stats.append_errors.get()),
    ),
    Metric::counter(
        "hopscope_journal_replayed_batches_total",
        "Batches that the last start replayed from the journal.",
        |stats| Some(stats.replayed_batches.get()),
    ),
    Metric::counter(
        "hopscope_journal_replay_rejected_total",
        "Batches in the journal that the last start could not replay.",
        |stats| Some(stats.replay_rejected.get()),
    ),
    Metric::counter(
        "hopscope_journal_replay_unidentified_total",
        "Batches that the last start could not count, because the identity of their proxy is damaged.",
        |stats| Some(stats.replay_unidentified.get()),
    ),
    Metric::counter(
        "hopscope_journal_detached_total",
        "Times that the data directory was found removed or replaced while the collector ran.",
        |stats| Some(stats.detached.get()),
    ),
    Metric::counter(
        "hopscope_journal_replay_invalid_batches_total",
        "Invalid batches in the journal, rejected on receipt and again by the last start.",
        |stats| Some(stats.replay_invalid_batches.get()),
    ),
    Metric::counter(
        "hopscope_journal_torn_bytes_total",
        "Bytes that the last start cut off the end of the journal; they were never acknowledged.",
        |stats| Some(stats.torn_bytes.get()),
    ),
    Metric::counter(
        "hopscope_journal_corrupt_records_total",
        "Damaged sections of the journal that the last start skipped.",
        |stats| Some(stats.corrupt_records.get()),
    ),
    Metric::counter(
        "hopscope_journal_corrupt_bytes_total",
        "Size of the damaged sections that the last start skipped in bytes.",
        |stats| Some(stats.corrupt_bytes.get()),
    ),
    Metric::counter("hopscope_snapshots_total", "Written snapshots.", |stats| Some(stats.snapshots.get())),
    Metric::counter("hopscope_snapshot_errors_total", "Failed attempts to write a snapshot.", |stats| {
        Some(stats.snapshot_errors.get())
    }),
];

static GAUGES: [Metric<JournalStats>; 10] = [
    Metric::gauge(
        "hopscope_journal_failing",
        "Whether writes to the journal fail and reports are rejected: 1 or 0.",
        |stats| stats.failing.load(Ordering::Relaxed).into(),
    ),
    Metric::gauge("hopscope_journal_bytes", "Size of all journal segments in bytes.", |stats| {
        stats.bytes.get().into()
    }),
    Metric::gauge(
        "hopscope_journal_limit_bytes",
        "Limit on the size of all journal segments in bytes.",
        |stats| stats.bytes_max.into(),
    ),
    Metric::gauge(
        "hopscope_journal_usable_bytes",
        "Limit on the journal that the free space of its disk allows in bytes; at most hopscope_journal_limit_bytes.",
        |stats| stats.bytes_limit.get().into(),
    ),
    Metric::gauge(
        "hopscope_journal_disk_free_bytes",
        "Free space of the disk of the journal in bytes.",
        |stats| stats.disk_free_bytes.get().into(),
    ),
    Metric::gauge("hopscope_journal_segments", "Journal segments on disk.", |stats| {
        stats.segments.get().into()
    }),
    Metric::gauge(
        "hopscope_journal_queue_bytes",
        "Size of the batches that wait for their commit or for the engine in bytes.",
        |stats| stats.queue_bytes.get().into(),
    ),
    Metric::gauge("hopscope_snapshot_bytes", "Size of the last snapshot in bytes.", |stats| {
        stats.snapshot_bytes.get().into()
    }),
    Metric::gauge(
        "hopscope_snapshot_pause_seconds",
        "Time for which the last snapshot paused ingestion in seconds.",
        |stats| seconds(stats.snapshot_pause_us.get()).into(),
    ),
    Metric::gauge(
        "hopscope_journal_replay_duration_seconds",
        "Time that the last start took to read snapshot and journal in seconds.",
        |stats| seconds(stats.replay_us.get()).into(),
    ),
];

static COMMITS: [Metric<JournalStats>; 2] = [
    Metric::histogram(
        "hopscope_journal_commit_duration_seconds",
        "Time to write and sync a commit in seconds.",
        &COMMIT_US,
        |stats, _| Some(buckets(&stats.commit_us)),
    ),
    Metric::histogram(
        "hopscope_journal_commit_batches",
        "Batches per commit.",
        &COMMIT_BATCHES,
        |stats, _| Some(buckets(&stats.commit_batches)),
    ),
];

/// All declarations.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&DURABILITY).chain(families(&COUNTERS)).chain(families(&GAUGES)).chain(families(&COMMITS))
}

/// Visits the families. `stats`: `None` without a journal.
pub(super) fn visit(stats: Option<&JournalStats>, to: &mut impl Visitor) {
    let durability = if stats.is_some() { "disk" } else { "memory" };
    visit_rows(&DURABILITY, &[([durability], 1)], to);
    let Some(stats) = stats else { return };
    metrics::visit(&COUNTERS, stats, to);
    metrics::visit(&GAUGES, stats, to);
    metrics::visit(&COMMITS, stats, to);
}

fn buckets(values: &stats::Buckets) -> Buckets {
    let cumulative: Vec<u64> = values.cumulative().map(|(_, below)| below).collect();
    let count = cumulative.last().copied().unwrap_or(0);
    Buckets::counted(cumulative.into_iter(), values.sum(), count)
}
