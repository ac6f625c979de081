//! The journal's part of `/metrics`.
//!
//! In: what it counts about itself. Out: its families. Always holds: what an acknowledgement promises is said, also
//! without a journal.

use super::super::prometheus::{Buckets, Exposition, Kind, Names, SECOND_US, seconds};
use crate::journal::stats::{self, COMMIT_BATCHES, COMMIT_US, Stats};
use std::sync::atomic::Ordering;

/// All families.
pub(super) fn families(text: &mut Exposition<'_>, stats: Option<&Stats>) {
    let durability = if stats.is_some() { "disk" } else { "memory" };
    text.family(
        "hopscope_durability_info",
        Kind::Gauge,
        "Where a report is when it is acknowledged; always 1.",
    );
    text.sample("hopscope_durability_info", &[("durability", durability)], 1_u64);
    let Some(stats) = stats else { return };
    counters(text, stats);
    gauges(text, stats);
    let name = "hopscope_journal_commit_duration_seconds";
    histogram(
        text,
        "Time to write and sync a commit.",
        &Names::of(name, &COMMIT_US, SECOND_US),
        name,
        &stats.commit_us,
    );
    let name = "hopscope_journal_commit_batches";
    histogram(
        text,
        "Batches by commit.",
        &Names::of(name, &COMMIT_BATCHES, 1.0),
        name,
        &stats.commit_batches,
    );
}

fn counters(text: &mut Exposition<'_>, stats: &Stats) {
    let counters = [
        ("hopscope_journal_batches_total", "Batches that were committed.", &stats.batches),
        (
            "hopscope_journal_append_errors_total",
            "Attempts to write or sync that failed; their batches were refused.",
            &stats.append_errors,
        ),
        (
            "hopscope_journal_replayed_batches_total",
            "Batches that the start took from the journal.",
            &stats.replayed_batches,
        ),
        (
            "hopscope_journal_replay_rejected_total",
            "Batches of the journal that the start could not take.",
            &stats.replay_refused,
        ),
        (
            "hopscope_journal_replay_rejected_again_total",
            "Batches of the journal whose records broke a rule when they came, too: never acknowledged.",
            &stats.replay_refused_again,
        ),
        (
            "hopscope_journal_torn_bytes_total",
            "Bytes that the start cut off the end of the journal: never acknowledged.",
            &stats.torn_bytes,
        ),
        (
            "hopscope_journal_corrupt_records_total",
            "Damaged places in the journal that the start skipped.",
            &stats.corrupt_records,
        ),
        ("hopscope_journal_corrupt_bytes_total", "Their size.", &stats.corrupt_bytes),
        ("hopscope_snapshots_total", "Checkpoints that were written.", &stats.checkpoints),
        (
            "hopscope_snapshot_errors_total",
            "Attempts to write a checkpoint that failed.",
            &stats.checkpoint_errors,
        ),
    ];
    for (name, help, count) in counters {
        text.single(name, Kind::Counter, help, count.get());
    }
}

fn gauges(text: &mut Exposition<'_>, stats: &Stats) {
    let failing = u64::from(stats.failing.load(Ordering::Relaxed));
    let gauges = [
        (
            "hopscope_journal_failing",
            "1 while the disk does not take the journal, and reports are refused.",
            failing,
        ),
        ("hopscope_journal_bytes", "Bytes of all segments.", stats.bytes.get()),
        ("hopscope_journal_limit_bytes", "The bound on them.", stats.bytes_max),
        ("hopscope_journal_segments", "Segments on disk.", stats.segments.get()),
        (
            "hopscope_journal_queue_bytes",
            "Bytes of batches that wait for their commit, or to be counted.",
            stats.waiting_bytes.get(),
        ),
        ("hopscope_snapshot_bytes", "Size of the last checkpoint.", stats.checkpoint_bytes.get()),
    ];
    for (name, help, value) in gauges {
        text.single(name, Kind::Gauge, help, value);
    }
    let durations = [
        (
            "hopscope_snapshot_pause_seconds",
            "How long the last checkpoint held the rooms up.",
            &stats.checkpoint_pause_us,
        ),
        (
            "hopscope_journal_replay_duration_seconds",
            "How long the start took to read checkpoint and journal.",
            &stats.replay_us,
        ),
    ];
    for (name, help, us) in durations {
        text.single(name, Kind::Gauge, help, seconds(us.get()));
    }
}

fn histogram(text: &mut Exposition<'_>, help: &str, names: &Names, name: &str, told: &stats::Buckets) {
    text.family(name, Kind::Histogram, help);
    let cumulative: Vec<u64> = told.cumulative().map(|(_, below)| below).collect();
    let count = cumulative.last().copied().unwrap_or(0);
    let labels = text.spell(&[]);
    text.histogram(names, &labels, &Buckets::counted(cumulative.into_iter(), told.sum(), count), None);
}
