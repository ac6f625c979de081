//! No acknowledged batch is lost and none is counted twice: a real collector that is killed, and
//! one whose disk is full.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails loudly, as its tests do"
)]

#[path = "journal/collector.rs"]
mod collector;
#[path = "journal/monotonic.rs"]
mod monotonic;
#[path = "journal/traffic.rs"]
mod traffic;

use collector::{Collector, sum};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tonic::Code;
use traffic::{Traffic, batch, size};

const PROXIES: u64 = 6;
/// An interval at which kills meet snapshots in every state.
const OPTIONS: [&str; 2] = ["--snapshot-interval-ms", "100"];

fn sizes(proxy: u64, batches: u64) -> u64 {
    (1..=batches).map(|sequence| size(proxy, sequence)).sum()
}

/// `HOPSCOPE_KILLS=200` sets the number of kills for the long run.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_no_batch_and_counts_none_twice() {
    let kills: u32 = std::env::var("HOPSCOPE_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(directory.path(), &OPTIONS);
    let traffic = Traffic::new(collector.grpc);
    let proxies: Vec<_> = (0..PROXIES).map(|proxy| tokio::spawn(traffic.clone().proxy(proxy))).collect();
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() | 1;
    for kill in 1..=kills {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        // The moment of the kill varies.
        tokio::time::sleep(Duration::from_millis(u64::from(random % 300))).await;
        let before = collector.open_metrics().await;
        let acknowledged = traffic.acknowledged.load(Ordering::Relaxed);
        collector.kill();
        collector = Collector::start(directory.path(), &OPTIONS);
        let after = collector.open_metrics().await;
        let counted =
            || sum(&after, "hopscope_requests_total") + sum(&after, "hopscope_identity_pending_requests");
        assert!(acknowledged == 0 || counted() >= acknowledged, "kill {kill}: less than was acknowledged");
        let lower = monotonic::lower(&before, &after);
        assert!(lower.is_empty(), "kill {kill}: lower than a scrape before: {lower:#?}");
        traffic.address.send_replace(collector.grpc);
    }
    traffic.stop();
    let mut batches = Vec::new();
    for proxy in proxies {
        batches.push(proxy.await.unwrap());
    }
    let expected: u64 = (0..).zip(&batches).map(|(proxy, batches)| sizes(proxy, *batches)).sum();
    holds(&collector, expected).await;
    let repeats = sum(&collector.metrics().await, "hopscope_ledger_duplicate_total");
    let mut client = collector.client().await;
    for (proxy, last) in (0..).zip(&batches) {
        for sequence in [1, *last] {
            let ack = client.report(batch(proxy, sequence, false)).await.unwrap().into_inner();
            assert_eq!(ack.accepted_sequence, sequence, "a repeat is acknowledged");
        }
    }
    holds(&collector, expected).await;
    let now = sum(&collector.metrics().await, "hopscope_ledger_duplicate_total");
    assert_eq!(now - repeats, 2 * PROXIES);
    collector.stop();
    collector = Collector::start(directory.path(), &OPTIONS);
    holds(&collector, expected).await;
    let metrics = collector.metrics().await;
    assert_eq!(
        metrics["hopscope_journal_replayed_batches_total"], 0.0,
        "the snapshot of a stop covers all batches"
    );
}

/// Waits until no edge is pending, and compares the sums.
async fn holds(collector: &Collector, expected: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let metrics = loop {
        let metrics = collector.metrics().await;
        if metrics["hopscope_identity_pending_requests"] == 0.0 {
            break metrics;
        }
        assert!(Instant::now() < deadline, "an edge stays pending");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for family in ["requests_total", "ledger_delivered_total", "ledger_seen_total"] {
        assert_eq!(sum(&metrics, &format!("hopscope_{family}")), expected, "{family}");
    }
    for family in [
        "hopscope_ledger_pre_restart_requests",
        "hopscope_ledger_dropped_total",
        "hopscope_ledger_missing_total",
        "hopscope_ledger_missing_batches",
        "hopscope_journal_corrupt_records_total",
        "hopscope_journal_replay_rejected_total",
    ] {
        assert_eq!(sum(&metrics, family), 0, "{family}");
    }
}

#[tokio::test]
async fn a_full_disk_rejects_reports_and_raises_an_alarm_until_space_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(directory.path(), &[]);
    let mut client = collector.client().await;
    client.report(batch(1, 1, true)).await.unwrap();
    collector.limit_files(Some(0));
    for errors in 1..=3 {
        let status = client.report(batch(1, 2, false)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let metrics = collector.metrics().await;
        assert_eq!(metrics["hopscope_journal_failing"], 1.0);
        assert!(metrics["hopscope_journal_append_errors_total"] >= f64::from(errors));
        assert_eq!(
            metrics["hopscope_grpc_reports_rejected_total{reason=\"journal_failing\"}"],
            f64::from(errors)
        );
        assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), size(1, 1));
    }
    let log = collector.log();
    assert_eq!(log.matches("reports are rejected until").count(), 1, "logged once: {log}");
    collector.limit_files(None);
    let ack = client.report(batch(1, 2, false)).await.unwrap().into_inner();
    assert_eq!(ack.accepted_sequence, 2);
    assert_eq!(collector.metrics().await["hopscope_journal_failing"], 0.0);
    collector.kill();
    collector = Collector::start(directory.path(), &[]);
    let metrics = collector.metrics().await;
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 2));
    assert_eq!(metrics["hopscope_journal_corrupt_records_total"], 0.0);
}

#[tokio::test]
async fn a_full_journal_writes_a_snapshot_and_continues() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--journal-bytes-max", "1048576"];
    let collector = Collector::start(directory.path(), &options);
    let mut client = collector.client().await;
    let batches = 6_000;
    for sequence in 1..=batches {
        let ack = client.report(batch(1, sequence, sequence == 1)).await.unwrap().into_inner();
        assert_eq!(ack.accepted_sequence, sequence);
    }
    let metrics = collector.metrics().await;
    assert!(metrics["hopscope_journal_bytes"] <= 1_048_576.0);
    assert!(metrics["hopscope_snapshots_total"] >= 1.0);
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, batches));
}

/// Writes batches, kills the collector, and returns the files of the journal.
async fn killed_with(directory: &Path, batches: u64) -> Vec<PathBuf> {
    let mut collector = Collector::start(directory, &[]);
    let mut client = collector.client().await;
    for sequence in 1..=batches {
        client.report(batch(1, sequence, sequence == 1)).await.unwrap();
    }
    collector.kill();
    let files = fs::read_dir(directory.join("journal")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Offset of the name of the proxy in batch `nth` (from 0) of a file. The first batch has an
/// identity, and so a copy.
fn offset_of(file: &Path, nth: usize) -> usize {
    let bytes = fs::read(file).unwrap();
    let nth = if nth == 0 { 0 } else { nth + 1 };
    let name = b"sidecar~10.0.0.1~";
    let names = bytes.windows(name.len()).enumerate().filter(|(_, window)| window == name);
    names.map(|(offset, _)| offset).nth(nth).unwrap()
}

#[tokio::test]
async fn an_incomplete_end_is_cut_and_complete_entries_stay() {
    let directory = tempfile::tempdir().unwrap();
    let files = killed_with(directory.path(), 3).await;
    let cut = offset_of(&files[0], 2);
    fs::OpenOptions::new().write(true).open(&files[0]).unwrap().set_len(cut as u64).unwrap();
    let mut collector = Collector::start(directory.path(), &[]);
    let metrics = collector.metrics().await;
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 2));
    assert!(metrics["hopscope_journal_torn_bytes_total"] > 0.0);
    // The test removed the third batch, and its filter sends it again.
    collector.client().await.report(batch(1, 3, false)).await.unwrap();
    collector.kill();
    collector = Collector::start(directory.path(), &[]);
    let metrics = collector.metrics().await;
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 3));
    assert_eq!(metrics["hopscope_journal_torn_bytes_total"], 0.0);
    assert_eq!(metrics["hopscope_journal_corrupt_records_total"], 0.0);
}

#[tokio::test]
async fn damage_in_the_middle_is_counted_and_costs_the_damaged_batch() {
    let directory = tempfile::tempdir().unwrap();
    let files = killed_with(directory.path(), 3).await;
    let mut bytes = fs::read(&files[0]).unwrap();
    bytes[offset_of(&files[0], 1)] ^= 1;
    fs::write(&files[0], bytes).unwrap();
    let collector = Collector::start(directory.path(), &[]);
    let metrics = collector.metrics().await;
    let kept = size(1, 1) + size(1, 3);
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), kept);
    assert_eq!(
        sum(&metrics, "hopscope_ledger_seen_total"),
        sizes(1, 3),
        "the ledger counts the batch as missing"
    );
    assert_eq!(metrics["hopscope_journal_corrupt_records_total"], 1.0);
    assert_eq!(metrics["hopscope_ledger_missing_batches"], 1.0);
}

#[tokio::test]
async fn a_directory_in_use_and_another_version_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("snapshot");
    let mut collector = Collector::start(directory.path(), &[]);
    collector.client().await.report(batch(1, 1, true)).await.unwrap();
    let second = Collector::spawn(directory.path(), &[]).err().unwrap();
    assert!(second.contains("another collector uses") && second.contains("--data-dir"), "{second}");
    collector.stop();
    let mut bytes = fs::read(&snapshot).unwrap();
    bytes[4] = 9;
    fs::write(&snapshot, &bytes).unwrap();
    let refused = Collector::spawn(directory.path(), &[]).err().unwrap();
    assert!(refused.contains("format version 9 is not supported"), "{refused}");
    assert_eq!(fs::read(&snapshot).unwrap(), bytes, "the file is unchanged");
}

#[tokio::test]
async fn a_damaged_identity_costs_no_batch() {
    let directory = tempfile::tempdir().unwrap();
    let files = killed_with(directory.path(), 3).await;
    let pristine = fs::read(&files[0]).unwrap();
    let first = offset_of(&files[0], 0);
    for offset in [first - 30, first - 1, first, first + 60] {
        let mut bytes = pristine.clone();
        bytes[offset] ^= 1;
        fs::remove_dir_all(directory.path()).unwrap();
        fs::create_dir_all(files[0].parent().unwrap()).unwrap();
        fs::write(&files[0], bytes).unwrap();
        let collector = Collector::start(directory.path(), &[]);
        let metrics = collector.metrics().await;
        assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 3), "byte {offset}");
        assert_eq!(metrics["hopscope_journal_corrupt_records_total"], 1.0, "byte {offset}");
        assert_eq!(metrics["hopscope_journal_replay_unidentified_total"], 0.0);
        assert_eq!(metrics["hopscope_ledger_missing_batches"], 0.0);
    }
}

#[tokio::test]
async fn batches_without_a_known_identity_are_reported_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let files = killed_with(directory.path(), 3).await;
    let mut bytes = fs::read(&files[0]).unwrap();
    let name = b"sidecar~10.0.0.1~";
    let names: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    for offset in &names[..2] {
        bytes[*offset] ^= 1;
    }
    fs::write(&files[0], bytes).unwrap();
    let collector = Collector::start(directory.path(), &[]);
    let metrics = collector.metrics().await;
    assert_eq!(metrics["hopscope_journal_replay_unidentified_total"], 2.0);
    assert_eq!(metrics["hopscope_journal_replayed_batches_total"], 0.0);
}

#[tokio::test]
async fn a_removed_directory_is_written_again_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut collector = Collector::start(&data, &[]);
    let mut client = collector.client().await;
    client.report(batch(1, 1, true)).await.unwrap();
    fs::remove_dir_all(&data).unwrap();
    let status = client.report(batch(1, 2, false)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let metrics = collector.metrics().await;
    assert_eq!(metrics["hopscope_journal_detached_total"], 1.0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.report(batch(1, 2, false)).await.is_err() {
        assert!(Instant::now() < deadline, "reports stay rejected");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    collector.kill();
    collector = Collector::start(&data, &[]);
    let metrics = collector.metrics().await;
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 2));
}

#[tokio::test]
async fn a_replaced_directory_rejects_reports_and_readiness() {
    let directory = tempfile::tempdir().unwrap();
    let (data, moved) = (directory.path().join("data"), directory.path().join("moved"));
    let collector = Collector::start(&data, &[]);
    let mut client = collector.client().await;
    client.report(batch(1, 1, true)).await.unwrap();
    fs::rename(&data, &moved).unwrap();
    fs::create_dir_all(data.join("journal")).unwrap();
    client.report(batch(1, 2, false)).await.unwrap_err();
    assert!(collector.get("/readyz").await.contains("503"));
    assert!(collector.get("/healthz").await.contains("200"));
    assert!(collector.log().contains("was replaced while the collector ran"));
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&moved, &data).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.report(batch(1, 2, false)).await.is_err() {
        assert!(Instant::now() < deadline, "reports stay rejected");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(collector.get("/readyz").await.contains("200"));
}

#[tokio::test]
async fn a_removed_lock_lets_no_second_collector_in() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Collector::start(directory.path(), &[]);
    fs::remove_file(directory.path().join("lock")).unwrap();
    let second = Collector::spawn(directory.path(), &[]).err().unwrap();
    assert!(second.contains("another collector uses"), "{second}");
}

#[tokio::test]
async fn files_of_others_in_the_journal_are_ignored_by_name() {
    let directory = tempfile::tempdir().unwrap();
    killed_with(directory.path(), 2).await;
    for name in ["1.log", "00000000000000000001.log.bak", "+0000000000000000001.log"] {
        fs::write(directory.path().join("journal").join(name), b"x").unwrap();
    }
    let collector = Collector::start(directory.path(), &[]);
    assert_eq!(sum(&collector.metrics().await, "hopscope_ledger_delivered_total"), sizes(1, 2));
}

#[tokio::test]
async fn a_disk_below_its_reserve_rejects_reports_and_names_the_cure() {
    let directory = tempfile::tempdir().unwrap();
    let reserve = ["--journal-disk-reserve-bytes", "1000000000000000"];
    let mut collector = Collector::start(directory.path(), &reserve);
    let status = collector.client().await.report(batch(1, 1, true)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let metrics = collector.metrics().await;
    assert!(metrics["hopscope_grpc_reports_rejected_total{reason=\"journal_full\"}"] >= 1.0);
    assert!(metrics["hopscope_journal_disk_free_bytes"] > 0.0);
    assert!(metrics["hopscope_journal_usable_bytes"] < metrics["hopscope_journal_limit_bytes"]);
    let log = collector.log();
    assert!(log.contains("lower journal.bytes_max"), "{log}");
    collector.kill();
    collector = Collector::start(directory.path(), &[]);
    collector.client().await.report(batch(1, 1, true)).await.unwrap();
    assert_eq!(sum(&collector.metrics().await, "hopscope_ledger_delivered_total"), size(1, 1));
}
