//! Nothing acknowledged is lost and nothing is counted twice: a real collector, killed, and on a disk that is full.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails loudly, as its tests do"
)]

#[path = "journal/collector.rs"]
mod collector;
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
/// So often that kills meet checkpoints in every state.
const OPTIONS: [&str; 2] = ["--snapshot-interval-ms", "100"];

fn sizes(proxy: u64, batches: u64) -> u64 {
    (1..=batches).map(|sequence| size(proxy, sequence)).sum()
}

/// `HOPSCOPE_KILLS=200` for the long run.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_loses_nothing_and_counts_nothing_twice() {
    let kills: u32 = std::env::var("HOPSCOPE_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(folder.path(), &OPTIONS);
    let traffic = Traffic::new(collector.grpc);
    let proxies: Vec<_> = (0..PROXIES).map(|proxy| tokio::spawn(traffic.clone().proxy(proxy))).collect();
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() | 1;
    for kill in 1..=kills {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        // The moment of the kill is what is tried out.
        tokio::time::sleep(Duration::from_millis(u64::from(random % 300))).await;
        let before = collector.metrics().await;
        let acknowledged = traffic.acknowledged.load(Ordering::Relaxed);
        collector.kill();
        collector = Collector::start(folder.path(), &OPTIONS);
        let after = collector.metrics().await;
        let counted =
            || sum(&after, "hopscope_requests_total") + sum(&after, "hopscope_identity_pending_requests");
        assert!(acknowledged == 0 || counted() >= acknowledged, "kill {kill}: less than was acknowledged");
        for (series, count) in before.iter().filter(|(name, _)| name.starts_with("hopscope_requests_total")) {
            let now = after.get(series);
            assert!(
                now.is_some_and(|now| now >= count),
                "kill {kill}: {series} fell from {count} to {now:?}"
            );
        }
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
    collector = Collector::start(folder.path(), &OPTIONS);
    holds(&collector, expected).await;
    let metrics = collector.metrics().await;
    assert_eq!(metrics["hopscope_journal_replayed_batches_total"], 0.0, "the checkpoint of a stop holds all");
}

/// Waits until nothing waits for a name; then everything adds up.
async fn holds(collector: &Collector, expected: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let metrics = loop {
        let metrics = collector.metrics().await;
        if metrics["hopscope_identity_pending_requests"] == 0.0 {
            break metrics;
        }
        assert!(Instant::now() < deadline, "something waits for ever");
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
async fn a_full_disk_is_a_refusal_and_an_alarm_until_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(folder.path(), &[]);
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
    assert_eq!(log.matches("reports are refused until").count(), 1, "told once: {log}");
    collector.limit_files(None);
    let ack = client.report(batch(1, 2, false)).await.unwrap().into_inner();
    assert_eq!(ack.accepted_sequence, 2);
    assert_eq!(collector.metrics().await["hopscope_journal_failing"], 0.0);
    collector.kill();
    collector = Collector::start(folder.path(), &[]);
    let metrics = collector.metrics().await;
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 2));
    assert_eq!(metrics["hopscope_journal_corrupt_records_total"], 0.0);
}

#[tokio::test]
async fn a_journal_over_its_bound_checkpoints_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--journal-bytes-max", "1048576"];
    let collector = Collector::start(folder.path(), &options);
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

/// Some batches on disk, and the collector killed; the files of the journal.
async fn killed_with(folder: &Path, batches: u64) -> Vec<PathBuf> {
    let mut collector = Collector::start(folder, &[]);
    let mut client = collector.client().await;
    for sequence in 1..=batches {
        client.report(batch(1, sequence, true)).await.unwrap();
    }
    collector.kill();
    let files = fs::read_dir(folder.join("journal")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// The first byte of a batch's text in a file, for batch number `nth` from 0.
fn place_of(file: &Path, nth: usize) -> usize {
    let bytes = fs::read(file).unwrap();
    let name = b"sidecar~10.0.0.1~";
    let places = bytes.windows(name.len()).enumerate().filter(|(_, window)| window == name);
    places.map(|(place, _)| place).nth(nth).unwrap()
}

#[tokio::test]
async fn a_torn_end_is_cut_and_what_is_whole_stays() {
    let folder = tempfile::tempdir().unwrap();
    let files = killed_with(folder.path(), 3).await;
    let cut = place_of(&files[0], 2);
    fs::OpenOptions::new().write(true).open(&files[0]).unwrap().set_len(cut as u64).unwrap();
    let mut collector = Collector::start(folder.path(), &[]);
    let metrics = collector.metrics().await;
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 2));
    assert!(metrics["hopscope_journal_torn_bytes_total"] > 0.0);
    // The third was lost by this test, not by the collector; its filter would send it again.
    collector.client().await.report(batch(1, 3, false)).await.unwrap();
    collector.kill();
    collector = Collector::start(folder.path(), &[]);
    let metrics = collector.metrics().await;
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), sizes(1, 3));
    assert_eq!(metrics["hopscope_journal_torn_bytes_total"], 0.0);
    assert_eq!(metrics["hopscope_journal_corrupt_records_total"], 0.0);
}

#[tokio::test]
async fn damage_in_the_middle_is_told_and_costs_what_it_touches() {
    let folder = tempfile::tempdir().unwrap();
    let files = killed_with(folder.path(), 3).await;
    let mut bytes = fs::read(&files[0]).unwrap();
    bytes[place_of(&files[0], 1)] ^= 1;
    fs::write(&files[0], bytes).unwrap();
    let collector = Collector::start(folder.path(), &[]);
    let metrics = collector.metrics().await;
    let kept = size(1, 1) + size(1, 3);
    assert_eq!(sum(&metrics, "hopscope_ledger_delivered_total"), kept);
    assert_eq!(
        sum(&metrics, "hopscope_ledger_seen_total"),
        sizes(1, 3),
        "and the books say that it is missing"
    );
    assert_eq!(metrics["hopscope_journal_corrupt_records_total"], 1.0);
    assert_eq!(metrics["hopscope_ledger_missing_batches"], 1.0);
}

#[tokio::test]
async fn what_it_cannot_take_up_it_refuses_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let mut collector = Collector::start(folder.path(), &[]);
    collector.client().await.report(batch(1, 1, true)).await.unwrap();
    let second = Collector::spawn(folder.path(), &[]).err().unwrap();
    assert!(second.contains("another collector uses") && second.contains("--data-dir"), "{second}");
    collector.stop();
    let mut bytes = fs::read(&checkpoint).unwrap();
    bytes[4] = 9;
    fs::write(&checkpoint, &bytes).unwrap();
    let refused = Collector::spawn(folder.path(), &[]).err().unwrap();
    assert!(refused.contains("format version is 9, and this hopscope reads 2"), "{refused}");
    assert_eq!(fs::read(&checkpoint).unwrap(), bytes, "left as it is");
}
