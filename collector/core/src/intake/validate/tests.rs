mod single_field;

use super::Limits;
use crate::batch::Batch;
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

/// Compares the result after a change of a valid batch: the label and text of a rejection, or the
/// accepted records and folded requests with the rejected rows, as `reason rows/requests`.
#[track_caller]
fn check(change: impl FnOnce(&mut v1::Batch), expected: &str) {
    let mut batch = good();
    change(&mut batch);
    let text = match super::check(batch, &Limits::default(), NOW_US) {
        Ok(batch) => accepted(&batch),
        Err(rejection) => format!("{}: {rejection}", rejection.label()),
    };
    assert_eq!(text, expected);
}

/// Formats an accepted batch.
fn accepted(batch: &Batch) -> String {
    let (single, folded) = batch.content();
    let mut text = format!("{single}+{folded}");
    for (reason, counts) in batch.rejected.iter() {
        text += &format!(", {} {}/{}", reason.label(), counts.rows, counts.requests());
    }
    if batch.moved > 0 {
        text += &format!(", moved {}", batch.moved);
    }
    text
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
    let batch = super::check(good(), &Limits::default(), NOW_US).unwrap();
    assert_eq!(&*batch.edges.get(0).unwrap().peer.workload, "payments");
    assert_eq!(batch.records[1].start_us, NOW_US - 10);
    assert_eq!((batch.records[1].request_id_hash, batch.records[1].attempts), (9, 1));
    let mut without_attempts = good();
    records(&mut without_attempts).attempts.clear();
    let batch = super::check(without_attempts, &Limits::default(), NOW_US).unwrap();
    assert_eq!(batch.records.iter().map(|record| record.attempts).collect::<Vec<_>>(), [1, 1]);
    assert_eq!((batch.records.len(), batch.folds[0].count, batch.totals.left()), (2, 3, 5));
}

#[test]
fn a_batch_that_cannot_be_accounted_for_is_rejected_as_a_whole() {
    check(
        |b| b.schema_version = 2,
        "schema_version: schema_version 2 is not supported; this collector reads version 1",
    );
    check(|b| b.proxy.clear(), "proxy: proxy has 0 bytes, not 1 to 512");
    check(|b| b.epoch = 0, "epoch: epoch is 0");
    check(|b| b.sequence = 0, "sequence: sequence is 0");
    check(|b| b.ledger = None, "ledger: ledger is missing");
    let text = "ledger: ledger does not add up: seen != sent + folded + dropped + buffered";
    check(|b| ledger(b).buffered = 1, text);
    check(|b| ledger(b).sent_total = u64::MAX, "ledger: ledger overflows");
    check(
        |b| (ledger(b).sent_total, ledger(b).buffered) = (1, 1),
        "ledger: ledger sent_total is less than the records of this batch",
    );
    check(
        |b| (ledger(b).folded_total, ledger(b).buffered) = (2, 1),
        "ledger: ledger folded_total is less than the folded requests of this batch",
    );
    let long = v1::Identity { workload: "x".repeat(513), ..v1::Identity::default() };
    check(|b| b.identity = Some(long), "identity: identity.workload is longer than 512 bytes");
    check(|b| b.strings.clear(), "strings: strings[0] is missing");
    check(|b| b.strings[0] = "x".into(), "strings: strings[0] is not empty");
    let text = "columns: records.duration_us has 1 entries, but records.edge has 2";
    check(|b| records(b).duration_us.truncate(1), text);
}

#[test]
fn an_invalid_row_of_a_table_costs_the_rows_that_refer_to_it() {
    check(|b| b.strings[1] = "x".repeat(513), "0+0, edge 4/5");
    check(|b| b.edges[0].peer_workload = 2, "0+0, edge 4/5");
    check(|b| b.edges[0].reporter = 9, "0+0, edge 4/5");
    check(|b| b.outcomes[1].code_details = u32::MAX, "1+0, outcome 3/4");
    check(|b| b.outcomes[0].transport_failure_reason = 7, "1+3, outcome 2/1");
}

#[test]
fn an_invalid_record_is_rejected_alone() {
    check(|b| records(b).edge[1] = 1, "1+3, edge 1/1");
    check(|b| records(b).outcome[0] = 9, "1+3, outcome 1/1");
    check(|b| records(b).duration_us[0] = 7 * 24 * 3600 * 1_000_000, "1+3, duration 1/1");
    check(|b| b.folds[0].edge = 1, "2+0, edge 1/3");
}

#[test]
fn an_invalid_status_is_counted_as_invalid() {
    let status = |code: u32, grpc_status: Option<u32>| {
        let mut batch = good();
        (batch.outcomes[0].response_code, batch.outcomes[0].grpc_status) = (code, grpc_status);
        let batch = super::check(batch, &Limits::default(), NOW_US).unwrap();
        let outcome = batch.outcomes[0];
        format!("{} {}/{}", accepted(&batch), outcome.code_label(), outcome.grpc_label())
    };
    assert_eq!(status(99, None), "2+3 invalid/");
    assert_eq!(status(1, Some(17)), "2+3 invalid/invalid");
    assert_eq!(status(999, Some(u32::MAX)), "2+3 invalid/invalid");
    assert_eq!(status(599, Some(16)), "2+3 599/16");
}

#[test]
fn a_time_outside_the_limits_is_moved() {
    let minutes = |minutes: u64| minutes * 60 * 1_000_000;
    check(|b| b.base_time_unix_us += minutes(10), "2+3");
    check(|b| b.base_time_unix_us += minutes(11), "2+3, moved 5");
    check(|b| b.base_time_unix_us = u64::MAX, "2+3, moved 5");
    check(|b| b.base_time_unix_us = 1_000, "2+3, moved 5");
    // The second record is relative to the first one.
    check(|b| records(b).start_delta_us[0] = minutes(11).cast_signed(), "2+3, moved 2");
    check(|b| records(b).start_delta_us[1] = minutes(11).cast_signed(), "2+3, moved 1");
    check(|b| records(b).start_delta_us[0] = i64::MIN, "2+3, moved 2");
    check(|b| b.folds[0].last_start_delta_us = i64::MAX, "2+3, moved 3");
}

#[test]
fn an_inconsistent_fold_row_is_rejected_alone() {
    // The smaller one of count and buckets, without a missing one, counts as rejected.
    check(|b| b.folds[0].count = 0, "2+0, fold 1/3");
    check(|b| b.folds[0].count = 2, "2+0, fold 1/2");
    check(|b| b.folds[0].count = u64::MAX, "2+0, fold 1/3");
    check(|b| histogram(b).counts[0] = u64::MAX, "2+0, fold 1/3");
    check(|b| histogram(b).scale = 21, "2+0, fold 1/3");
    check(|b| histogram(b).counts = vec![0; 321], "2+0, fold 1/1");
    check(|b| histogram(b).min_us = 21, "2+0, fold 1/3");
    check(|b| histogram(b).max_us = u64::MAX, "2+0, duration 1/3");
    check(|b| b.folds[0].duration = None, "2+0, fold 1/3");
    // The totals limit the count.
    let both = |b: &mut v1::Batch| {
        b.folds[0].count = 1 << 40;
        histogram(b).counts[0] = 1 << 40;
    };
    check(both, "2+0, fold 1/3");
    check(|b| b.folds[0].first_start_delta_us = 1, "2+0, fold 1/3");
}

#[test]
fn oversized_tables_are_rejected() {
    let limits = Limits { strings_max: 1, ..Limits::default() };
    let rejection = super::check(good(), &limits, NOW_US).unwrap_err();
    assert_eq!(rejection.to_string(), "strings has 2 entries; the limit is 1");
    let limits = Limits { records_max: 1, ..Limits::default() };
    let rejection = super::check(good(), &limits, NOW_US).unwrap_err();
    assert_eq!(rejection.to_string(), "records has 2 entries; the limit is 1");
    let limits = Limits { rows_max: 0, ..Limits::default() };
    for (batch, text) in [
        (v1::Batch { connections: vec![v1::Flow::default()], ..v1::Batch::default() }, "connections"),
        (v1::Batch { in_flight: vec![v1::InFlight::default()], ..v1::Batch::default() }, "in_flight"),
    ] {
        let rejection = super::rows_fit(&batch.encode_to_vec(), &limits).unwrap_err();
        assert_eq!(rejection.to_string(), format!("{text} has 1 entries; the limit is 0"));
    }
}

#[test]
fn inconsistent_requests_in_flight_are_rejected_alone() {
    let open = |change: fn(&mut v1::InFlight)| {
        let row = v1::InFlightLong { edge: 0, count: 2, oldest_age_us: 9, ..v1::InFlightLong::default() };
        let mut open =
            v1::InFlight { reporter: 1, count: 3, oldest_age_us: 9, long_count: 2, long: vec![row] };
        change(&mut open);
        let mut batch = good();
        batch.in_flight = vec![open, v1::InFlight { reporter: 2, count: 1, ..v1::InFlight::default() }];
        let batch = super::check(batch, &Limits::default(), NOW_US).unwrap();
        let entries = batch.in_flight.iter().map(|open| format!("{}:{}", open.count, open.long.len()));
        let entries: Vec<String> = entries.collect();
        format!("{}; {}", entries.join(" "), accepted(&batch))
    };
    assert_eq!(open(|_| {}), "3:1 1:0; 2+3");
    assert_eq!(open(|o| o.count = 0), "1:0; 2+3, in_flight 1/0");
    assert_eq!(open(|o| o.count = 1), "1:0; 2+3, in_flight 1/0");
    assert_eq!(open(|o| o.long_count = 1), "3:0 1:0; 2+3, in_flight 1/0");
    assert_eq!(open(|o| o.long[0].count = 0), "3:0 1:0; 2+3, in_flight 1/0");
    assert_eq!(open(|o| o.long[0].count = u64::MAX), "3:0 1:0; 2+3, in_flight 1/0");
    assert_eq!(open(|o| o.long[0].edge = 1), "3:0 1:0; 2+3, edge 1/0");
    assert_eq!(open(|o| o.reporter = 3), "3:0 1:0; 2+3, edge 1/0", "the edge has another reporter");
    assert_eq!(open(|o| o.reporter = 9), "1:0; 2+3, in_flight 1/0");
    // The second entry repeats the reporter.
    assert_eq!(open(|o| o.reporter = 2), "3:0; 2+3, edge 1/0, in_flight 1/0");
    assert_eq!(open(|o| o.long = vec![o.long[0]; 66]), "3:1 1:0; 2+3, in_flight 65/0");
}

#[test]
fn a_drop_reason_is_one_of_few() {
    let reason = |reason: i32| {
        let mut batch = good();
        ledger(&mut batch).dropped[0].reason = reason;
        super::check(batch, &Limits::default(), NOW_US).unwrap().totals.dropped[0].0.to_string()
    };
    assert_eq!(
        [1, 31, 0, -1, 32, i32::MAX].map(reason),
        ["fold_table_full", "reason31", "reason0", "reason0", "reason0", "reason0"]
    );
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
    let batch = super::check(batch, &Limits::default(), NOW_US).unwrap();
    assert_eq!((batch.records.len(), batch.folds.len(), batch.content()), (1, 0, (2, 3)));
    let found = &batch.connections;
    assert_eq!((found.closed[0].request_bytes, found.folds[0].count, found.open[0].opened), (2, 3, 1));
    assert_eq!(found.continued, [false, true]);

    check(connections, "2+3");
    let other_edge = |batch: &mut v1::Batch| {
        connections(batch);
        batch.connections[0].edge = 1;
    };
    check(other_edge, "2+3, edge 1/0");
    let text = "ledger: ledger sent_total is less than the records of this batch";
    let more_than_was_sent = |batch: &mut v1::Batch| {
        connections(batch);
        (ledger(batch).sent_total, ledger(batch).buffered) = (1, 1);
    };
    check(more_than_was_sent, text);
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
            if let Ok(batch) = super::check(batch, &Limits::default(), NOW_US) {
                let rejected = batch.rejected.total();
                prop_assert!(batch.content().0 + rejected.single <= batch.totals.sent);
                prop_assert!(batch.content().1 + rejected.folded <= batch.totals.folded);
                prop_assert!(batch.records.iter().all(|record| record.edge < batch.edges.len()));
            }
        }
    }
}
