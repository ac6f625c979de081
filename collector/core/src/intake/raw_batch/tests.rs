use super::{Limits, RawBatch, SCRATCH_RECORDS_MAX};
use crate::batch::Record;
use crate::engine::{Answer, Engine, Settings};
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;

const NOW_US: u64 = 1_700_000_000_000_000;
const HOUR_US: u64 = 3_600 * 1_000_000;

/// Batch `sequence` whose columns have different lengths.
fn torn(sequence: u64) -> Bytes {
    let mut batch = v1::Batch::decode(&*message(sequence, &[0, 1], 0)).unwrap();
    batch.records.as_mut().unwrap().duration_us.pop();
    batch.encode_to_vec().into()
}

/// Batch `sequence` with one record per edge of `edges`, each of which began `hours` hours ago.
/// The batch has two edges.
fn message(sequence: u64, edges: &[u32], hours: i64) -> Bytes {
    let count = edges.len();
    let hour_us = i64::try_from(HOUR_US).unwrap();
    let records = v1::Records {
        edge: edges.to_vec(),
        outcome: vec![0; count],
        start_delta_us: (0..count).map(|row| if row == 0 { -hours * hour_us } else { 0 }).collect(),
        duration_us: vec![5; count],
        request_bytes: vec![7; count],
        response_bytes: vec![9; count],
        request_id_hash: vec![1; count],
        attempts: Vec::new(),
    };
    let edge = |peer_workload| v1::Edge { reporter: 1, peer_workload, ..v1::Edge::default() };
    let batch = v1::Batch {
        schema_version: v1::SCHEMA_VERSION,
        proxy: "p".into(),
        epoch: 7,
        sequence,
        identity: Some(v1::Identity { workload: "shop".into(), ..v1::Identity::default() }),
        ledger: Some(v1::Ledger { seen_total: 99_999, sent_total: 99_999, ..v1::Ledger::default() }),
        base_time_unix_us: NOW_US,
        strings: vec![String::new(), "pay".into(), "cart".into()],
        edges: vec![edge(1), edge(2)],
        outcomes: vec![v1::Outcome { response_code: 200, ..v1::Outcome::default() }],
        records: Some(records),
        ..v1::Batch::default()
    };
    batch.encode_to_vec().into()
}

/// Limits that accept requests up to `hours` hours old.
fn hours(hours: u64) -> Limits {
    Limits { age_us_max: hours * HOUR_US, ..Limits::default() }
}

/// Outcome of a message: `intake:` when intake rejects it, else the answer of the engine and its
/// number of counted requests.
fn outcome(engine: &mut Engine, arrival: Result<RawBatch, super::Rejection>) -> String {
    let mut arrival = match arrival {
        Ok(arrival) => arrival,
        Err(rejection) => return format!("intake: {}", rejection.label()),
    };
    let mut scratch = vec![Record::default(); 3];
    let answer = engine.accept(&mut arrival, &mut scratch);
    assert!(scratch.capacity() > 0, "the memory is returned");
    let counted: u64 = engine.aggregate().iter(engine.edges()).map(|(_, series)| series.stats.count()).sum();
    match answer {
        Ok(Answer::Accepted) => format!("taken, {counted}"),
        Ok(other) => format!("{other:?}, {counted}"),
        Err(rejection) => format!("{}, {counted}", rejection.label()),
    }
}

#[track_caller]
fn check(steps: &[(Bytes, Limits, &str)]) {
    let mut engine = Engine::new(Settings::default());
    for (message, limits, expected) in steps {
        let arrival = RawBatch::read(message, limits, NOW_US);
        assert_eq!(outcome(&mut engine, arrival), *expected);
    }
}

#[test]
fn records_are_checked_when_the_engine_counts_them() {
    check(&[
        (message(1, &[0, 1], 0), hours(1), "taken, 2"),
        // The second record refers to no edge, and is rejected alone.
        (message(2, &[0, 9], 0), hours(1), "taken, 3"),
        // The time of old records is moved.
        (message(3, &[0, 1, 0], 2), hours(1), "taken, 6"),
        (torn(4), hours(1), "columns, 6"),
        (message(4, &[0], 0), hours(1), "taken, 7"),
        (Bytes::from_static(b"no batch"), hours(1), "intake: malformed"),
    ]);
}

#[test]
fn an_accepted_batch_stays_accepted() {
    check(&[
        (message(1, &[0], 2), hours(3), "taken, 1"),
        // Its filter would count a rejected batch as dropped.
        (torn(1), hours(1), "taken, 1"),
        (torn(2), hours(1), "columns, 1"),
    ]);
}

#[test]
fn a_replay_judges_by_the_limits_of_the_receipt() {
    for (limit, moved) in [(1, 1), (3, 0)] {
        let arrival = RawBatch::read(&message(1, &[0], 2), &hours(limit), NOW_US).unwrap();
        let replayed = RawBatch::replayed(arrival.message(), arrival.times()).unwrap();
        let [arrived, replayed] = [arrival, replayed].map(|batch| batch.into_batch().unwrap());
        assert_eq!((arrived.moved, arrived.records.len()), (moved, 1));
        assert_eq!(arrived, replayed);
    }
}

#[test]
fn memory_is_reused_up_to_a_bound() {
    let mut engine = Engine::new(Settings::default());
    let mut scratch = Vec::new();
    for (sequence, records, is_reused) in [(1, 3, true), (2, SCRATCH_RECORDS_MAX + 1, false), (3, 3, true)] {
        let message = message(sequence, &vec![0; records], 0);
        let mut arrival = RawBatch::read(&message, &hours(1), NOW_US).unwrap();
        engine.accept(&mut arrival, &mut scratch).unwrap();
        assert_eq!((1..=SCRATCH_RECORDS_MAX).contains(&scratch.capacity()), is_reused, "{records} records");
    }
}
