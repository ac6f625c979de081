use super::{Limits, check};
use hopscope_proto::v1;
use proptest::prelude::*;
use prost::Message;

const NOW_US: u64 = 1_700_000_000_000_000;

/// Returns a batch with two records and a fold row, as the filter sends it.
fn good() -> v1::Batch {
    let fold = v1::Fold {
        edge: 0,
        outcome: 1,
        count: 3,
        duration: Some(v1::DurationHistogram {
            sum_us: 30,
            min_us: 5,
            max_us: 20,
            scale: 3,
            zero_count: 1,
            offset: 20,
            counts: vec![2],
        }),
        ..v1::Fold::default()
    };
    v1::Batch {
        schema_version: 1,
        proxy: "sidecar~10.0.0.1~a.b~b.svc.cluster.local".into(),
        epoch: 7,
        sequence: 1,
        ledger: Some(v1::Ledger {
            seen_total: 6,
            sent_total: 2,
            folded_total: 3,
            dropped: vec![v1::Drop { reason: 1, count_total: 1 }],
            buffered: 0,
        }),
        base_time_unix_us: NOW_US,
        strings: vec![String::new(), "payments".into()],
        edges: vec![v1::Edge { reporter: 1, peer_workload: 1, ..v1::Edge::default() }],
        outcomes: vec![
            v1::Outcome { response_code: 200, protocol: 1, ..v1::Outcome::default() },
            v1::Outcome { response_code: 503, response_flags: 2, protocol: 1, ..v1::Outcome::default() },
        ],
        records: Some(v1::Records {
            edge: vec![0, 0],
            outcome: vec![0, 1],
            start_delta_us: vec![0, -10],
            duration_us: vec![100, 200],
            request_bytes: vec![1, 2],
            response_bytes: vec![3, 4],
            request_id_hash: vec![8, 9],
            attempts: vec![1, 1],
        }),
        folds: vec![fold],
        ..v1::Batch::default()
    }
}

/// Compares the label and text of the rejection after a change of a valid batch.
#[track_caller]
fn rejected(change: impl FnOnce(&mut v1::Batch), expected: &str) {
    let mut batch = good();
    change(&mut batch);
    let text = match check(batch, &Limits::default(), NOW_US) {
        Ok(_) => "accepted".to_owned(),
        Err(rejection) => format!("{}: {rejection}", rejection.label()),
    };
    assert_eq!(text, expected);
}

fn records(batch: &mut v1::Batch) -> &mut v1::Records {
    batch.records.as_mut().unwrap()
}

fn ledger(batch: &mut v1::Batch) -> &mut v1::Ledger {
    batch.ledger.as_mut().unwrap()
}

fn histogram(batch: &mut v1::Batch) -> &mut v1::DurationHistogram {
    batch.folds[0].duration.as_mut().unwrap()
}

#[test]
fn valid_batch_is_accepted_unchanged() {
    let batch = check(good(), &Limits::default(), NOW_US).unwrap();
    assert_eq!(&*batch.edges.get(0).unwrap().peer.workload, "payments");
    assert_eq!(batch.records[1].start_us, NOW_US - 10);
    assert_eq!((batch.records[1].request_id_hash, batch.records[1].attempts), (9, 1));
    let mut without_attempts = good();
    records(&mut without_attempts).attempts.clear();
    let batch = check(without_attempts, &Limits::default(), NOW_US).unwrap();
    assert_eq!(batch.records.iter().map(|record| record.attempts).collect::<Vec<_>>(), [1, 1]);
    assert_eq!((batch.records.len(), batch.folds[0].count, batch.totals.left()), (2, 3, 5));
}

#[test]
fn head_is_validated() {
    rejected(
        |b| b.schema_version = 2,
        "schema_version: schema_version 2 is not supported; this collector reads version 1",
    );
    rejected(|b| b.proxy.clear(), "proxy: proxy has 0 bytes, not 1 to 512");
    rejected(|b| b.epoch = 0, "epoch: epoch is 0");
    rejected(|b| b.sequence = 0, "sequence: sequence is 0");
    rejected(|b| b.ledger = None, "ledger: ledger is missing");
    let text = "ledger: ledger does not add up: seen != sent + folded + dropped + buffered";
    rejected(|b| ledger(b).buffered = 1, text);
    rejected(|b| ledger(b).sent_total = u64::MAX, "ledger: ledger overflows");
    rejected(
        |b| (ledger(b).sent_total, ledger(b).buffered) = (1, 1),
        "ledger: ledger sent_total is less than the records of this batch",
    );
    rejected(
        |b| (ledger(b).folded_total, ledger(b).buffered) = (2, 1),
        "ledger: ledger folded_total is less than the folded requests of this batch",
    );
    let long = v1::Identity { workload: "x".repeat(513), ..v1::Identity::default() };
    rejected(|b| b.identity = Some(long), "identity: identity.workload is longer than 512 bytes");
}

#[test]
fn index_outside_its_table_is_rejected() {
    rejected(|b| b.strings.clear(), "strings: strings[0] is missing");
    rejected(|b| b.strings[0] = "x".into(), "strings: strings[0] is not empty");
    rejected(|b| b.strings[1] = "x".repeat(513), "strings: strings[1] is longer than 512 bytes");
    let text = "index: edges.peer_workload[0] is 2, but the table has 2 entries";
    rejected(|b| b.edges[0].peer_workload = 2, text);
    let text = "index: outcomes.code_details[1] is 4294967295, but the table has 2 entries";
    rejected(|b| b.outcomes[1].code_details = u32::MAX, text);
    rejected(|b| records(b).edge[1] = 1, "index: records.edge[1] is 1, but the table has 1 entries");
    rejected(|b| records(b).outcome[0] = 9, "index: records.outcome[0] is 9, but the table has 2 entries");
    rejected(|b| b.folds[0].edge = 1, "index: folds.edge[0] is 1, but the table has 1 entries");
    rejected(|b| b.edges[0].reporter = 9, "reporter: edges[0].reporter has the unknown value 9");
    let text = "response_code: outcomes[0].response_code is 99, not 0 or 100 to 999";
    rejected(|b| b.outcomes[0].response_code = 99, text);
}

#[test]
fn columns_and_times_are_validated() {
    let text = "columns: records.duration_us has 1 entries, but records.edge has 2";
    rejected(|b| records(b).duration_us.truncate(1), text);
    let future = 11 * 60 * 1_000_000;
    let text = "time: records.start_delta_us[0] is in the future";
    rejected(|b| records(b).start_delta_us[0] = future, text);
    rejected(|b| b.base_time_unix_us = u64::MAX, text);
    rejected(|b| records(b).start_delta_us[0] = i64::MIN, "time: records.start_delta_us[0] overflows");
    rejected(|b| b.base_time_unix_us = 1_000, "time: records.duration_us[0] ended too long ago");
    let text = "duration: records.duration_us[0] is 604800000000 us; the limit is 7 days";
    rejected(|b| records(b).duration_us[0] = 7 * 24 * 3600 * 1_000_000, text);
    let text = "time: folds.first_start_delta_us[0] is in the future";
    rejected(|b| b.folds[0].first_start_delta_us = i64::MAX, text);
}

#[test]
fn inconsistent_fold_rows_are_rejected() {
    rejected(|b| b.folds[0].count = 0, "fold: folds[0] has a count of 0");
    let text = "fold: folds[0] does not add up: count is not the sum of the buckets";
    rejected(|b| b.folds[0].count = 2, text);
    rejected(|b| histogram(b).counts[0] = u64::MAX, text);
    rejected(|b| histogram(b).scale = 21, "fold: folds[0] has a scale outside -10 to 20");
    rejected(|b| histogram(b).counts = vec![0; 321], "fold: folds[0] has more than 320 buckets");
    rejected(|b| histogram(b).min_us = 21, "fold: folds[0] has min_us > max_us");
    rejected(|b| b.folds[0].duration = None, "fold: folds[0] has no durations");
    rejected(
        |b| b.folds[0].first_start_delta_us = 1,
        "fold: folds[0] has a first start after its last start",
    );
}

#[test]
fn oversized_tables_are_rejected() {
    let limits = Limits { strings_max: 1, ..Limits::default() };
    let rejection = check(good(), &limits, NOW_US).unwrap_err();
    assert_eq!(rejection.to_string(), "strings has 2 entries; the limit is 1");
    let limits = Limits { records_max: 1, ..Limits::default() };
    let rejection = check(good(), &limits, NOW_US).unwrap_err();
    assert_eq!(rejection.to_string(), "records has 2 entries; the limit is 1");
}

#[test]
fn inconsistent_requests_in_flight_are_rejected() {
    let open = |change: fn(&mut v1::Open)| {
        let row = v1::OpenLong { edge: 0, count: 2, oldest_age_us: 9, ..v1::OpenLong::default() };
        let mut open = v1::Open { reporter: 1, count: 3, oldest_age_us: 9, long_count: 2, long: vec![row] };
        change(&mut open);
        move |batch: &mut v1::Batch| batch.open.push(open)
    };
    rejected(open(|_| {}), "accepted");
    rejected(open(|o| o.count = 0), "open: open[0] has a count of 0");
    let text = "open: open[0] does not add up: count < long_count, or long_count < the sum of its rows";
    rejected(open(|o| o.count = 1), text);
    rejected(open(|o| o.long_count = 1), text);
    rejected(open(|o| o.long[0].count = 0), "open: open[0] has a row with a count of 0");
    rejected(open(|o| o.reporter = 2), "open: open[0] has an edge of another reporter");
    rejected(open(|o| o.reporter = 9), "open: open[0] has an unknown reporter");
    rejected(open(|o| o.long[0].edge = 1), "index: open.long.edge[0] is 1, but the table has 1 entries");
    let twice = |batch: &mut v1::Batch| {
        let open = v1::Open { reporter: 2, count: 1, ..v1::Open::default() };
        batch.open = vec![open.clone(), open];
    };
    rejected(twice, "open: open[1] repeats the reporter of an earlier entry");
}

/// Makes the second record and the fold row of a valid batch connections.
fn connections(batch: &mut v1::Batch) {
    batch.outcomes[1] =
        v1::Outcome { protocol: 3, response_flags: 2, continued: true, ..v1::Outcome::default() };
    batch.connections = vec![v1::Flow { edge: 0, opened: 1, request_bytes: 5, response_bytes: 6 }];
}

#[test]
fn connections_are_separated_from_requests_and_stay_in_the_totals() {
    let mut batch = good();
    connections(&mut batch);
    let batch = check(batch, &Limits::default(), NOW_US).unwrap();
    assert_eq!((batch.records.len(), batch.folds.len(), batch.content()), (1, 0, (2, 3)));
    let found = &batch.connections;
    assert_eq!((found.closed[0].request_bytes, found.folds[0].count, found.open[0].opened), (2, 3, 1));
    assert_eq!(found.continued, [false, true]);

    rejected(connections, "accepted");
    let other_edge = |batch: &mut v1::Batch| {
        connections(batch);
        batch.connections[0].edge = 1;
    };
    rejected(other_edge, "index: connections.edge[0] is 1, but the table has 1 entries");
    let text = "ledger: ledger sent_total is less than the records of this batch";
    let more_than_was_sent = |batch: &mut v1::Batch| {
        connections(batch);
        (ledger(batch).sent_total, ledger(batch).buffered) = (1, 1);
    };
    rejected(more_than_was_sent, text);
    let limits = Limits { rows_max: 0, ..Limits::default() };
    let bytes = v1::Batch { connections: vec![v1::Flow::default()], ..v1::Batch::default() };
    let rejection = super::rows_fit(&bytes.encode_to_vec(), &limits).unwrap_err();
    assert_eq!(rejection.to_string(), "connections has 1 entries; the limit is 0");
}

proptest! {
    /// Arbitrary bytes are rejected, or their content is within the totals.
    #[test]
    fn arbitrary_bytes_are_rejected_or_valid(index: prop::sample::Index, byte: u8, cut: prop::sample::Index, noise: Vec<u8>) {
        let mut bytes = good().encode_to_vec();
        let at = index.index(bytes.len());
        bytes[at] = byte;
        let cut = cut.index(bytes.len());
        for bytes in [&bytes[..], &bytes[..cut], &noise] {
            let Ok(batch) = v1::Batch::decode(bytes) else { continue };
            if let Ok(batch) = check(batch, &Limits::default(), NOW_US) {
                prop_assert!(batch.records.len() as u64 <= batch.totals.sent);
                prop_assert!(batch.records.iter().all(|record| record.edge < batch.edges.len()));
            }
        }
    }
}
