//! A hostile client beside a valid one.

use super::harness::{Collector, PATIENCE, batch, report, send};
use prost::Message;
use prost::bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Hostile batches in every run; `HOPSCOPE_HOSTILE_BATCHES` sets another number, 100,000 for a long
/// run.
const BATCHES: usize = 20_000;
const IN_FLIGHT: usize = 64;

/// Malformed batches, which are rejected as a whole: another version, columns of different lengths,
/// an inconsistent text table, truncated, noise.
fn malformed(number: usize) -> Bytes {
    let mut bad = batch("evil", 1);
    match number % 5 {
        0 => bad.schema_version = 9,
        1 => bad.records.as_mut().unwrap().edge.push(0),
        2 => bad.strings[0] = "shop".to_owned(),
        3 => return Bytes::from(bad.encode_to_vec()).slice(..40 + number % 60),
        _ => return Bytes::from(vec![0xff; number % 4_096]),
    }
    bad.encode_to_vec().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_batches_do_not_affect_a_valid_client() {
    let batches = std::env::var("HOPSCOPE_HOSTILE_BATCHES").map_or(BATCHES, |n| n.parse().unwrap());
    let collector = Collector::start(&[]).await;
    let (evil, good) = (collector.client().await, collector.client().await);
    let hostile = tokio::spawn(async move {
        let (mut calls, mut rejected) = (JoinSet::new(), 0_usize);
        for number in 0..batches {
            if calls.len() == IN_FLIGHT {
                rejected += usize::from(calls.join_next().await.unwrap().unwrap());
            }
            let evil = evil.clone();
            calls.spawn(async move { send(&evil, malformed(number)).await.code() != tonic::Code::Ok });
        }
        while let Some(call) = calls.join_next().await {
            rejected += usize::from(call.unwrap());
        }
        rejected
    });
    let began = Instant::now();
    let (mut sequence, mut slowest) = (0, Duration::ZERO);
    while !hostile.is_finished() {
        sequence += 1;
        let asked = Instant::now();
        let ack = report(&good, batch("pay", sequence)).await.unwrap();
        assert_eq!(ack.accepted_sequence, sequence);
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(hostile.await.unwrap(), batches, "every batch was rejected");
    eprintln!(
        "{batches} hostile batches in {:?}; {sequence} valid ones, the slowest in {slowest:?}",
        began.elapsed()
    );
    assert!(slowest < PATIENCE / 10, "a valid report took {slowest:?}");
    assert!(sequence > 10);
    assert_eq!(collector.sample("hopscope_ledger_delivered_total").await, sequence);
    let metrics = collector.get("/metrics").await;
    let counts = metrics.lines().filter_map(|line| {
        line.strip_prefix("hopscope_grpc_reports_rejected_total{")?.split_once(' ')?.1.parse::<usize>().ok()
    });
    assert_eq!(counts.sum::<usize>(), batches, "each batch was counted under one reason");
    assert_eq!(collector.sample("hopscope_grpc_in_flight_bytes").await, 0);
    drop(good);
    collector.stop().await;
}
