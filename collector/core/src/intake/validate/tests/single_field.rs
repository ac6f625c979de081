//! Any value in any single field of any row costs at most that row.

use super::{Limits, NOW_US};
use crate::batch::RowCounts;
use crate::engine::{Answer, Engine, Settings};
use crate::intake::raw_batch::RawBatch;
use hopscope_proto::v1;
use proptest::prelude::*;
use prost::Message;
use prost::bytes::Bytes;

/// Rows of each table.
const ROWS: u32 = 4;
/// Requests of each fold row.
const FOLDED: u64 = 3;
/// Single records, and requests in fold rows.
const SENT: u64 = ROWS as u64 * ROWS as u64;
const FOLDED_TOTAL: u64 = ROWS as u64 * FOLDED;

/// Sets a field of a row to a value, which is truncated to the type of the field.
type Set = fn(&mut v1::Batch, usize, u64);

/// Requests that an invalid value in a table can cost: those of the rows that use the row.
#[derive(Debug, Clone, Copy)]
enum Cost {
    /// A row without requests.
    Row,
    /// One request.
    Record,
    /// The requests of a fold row.
    Fold,
    /// The records and the fold row that use a row of a table.
    Table,
}

macro_rules! fields {
    ($cost:ident: $($($path:ident).+ [$row:ident] $(. $field:ident)*),+ $(,)?) => {
        [$((
            concat!($(stringify!($path), "."),+ $(, stringify!($field), ".")*),
            Cost::$cost,
            (|batch, $row, value| batch.$($path).+[$row] $(. $field)* = value as _) as Set,
        )),+]
    };
}

/// All fields of all rows.
fn fields() -> Vec<(&'static str, Cost, Set)> {
    let mut fields: Vec<(&'static str, Cost, Set)> = Vec::new();
    fields.extend(fields!(Table:
        edges[row].reporter, edges[row].peer_workload, edges[row].peer_namespace, edges[row].peer_app,
        edges[row].peer_version, edges[row].peer_canonical_service, edges[row].peer_canonical_revision,
        edges[row].peer_cluster, edges[row].peer_address, edges[row].peer_principal,
        edges[row].local_principal, edges[row].service_host, edges[row].service_name,
        edges[row].service_namespace, edges[row].service_port, edges[row].subset,
        edges[row].service_evidence, outcomes[row].response_code, outcomes[row].response_flags,
        outcomes[row].protocol, outcomes[row].code_details, outcomes[row].transport_failure_reason,
    ));
    fields.extend(fields!(Fold:
        folds[row].edge, folds[row].outcome, folds[row].count, folds[row].first_start_delta_us,
        folds[row].last_start_delta_us, folds[row].request_bytes_sum, folds[row].response_bytes_sum,
    ));
    fields.extend(fields!(Row:
        in_flight[row].reporter, in_flight[row].count, in_flight[row].oldest_age_us, in_flight[row].long_count,
        connections[row].edge, connections[row].opened, connections[row].request_bytes,
        connections[row].response_bytes, streams[row].edge, streams[row].opened, messages[row].edge,
        messages[row].outcome, messages[row].request_messages, messages[row].response_messages,
    ));
    fields.extend::<[(&'static str, Cost, Set); 13]>([
        ("edges.mutual_tls", Cost::Table, |batch, row, value| batch.edges[row].mutual_tls = value > 0),
        ("outcomes.continued", Cost::Table, |batch, row, value| batch.outcomes[row].continued = value > 0),
        ("outcomes.grpc_status", Cost::Table, |batch, row, value| {
            batch.outcomes[row].grpc_status = Some(value as u32);
        }),
        ("folds.duration", Cost::Fold, |batch, row, _| batch.folds[row].duration = None),
        ("folds.duration.sum_us", Cost::Fold, |batch, row, value| duration(batch, row).sum_us = value),
        ("folds.duration.min_us", Cost::Fold, |batch, row, value| duration(batch, row).min_us = value),
        ("folds.duration.max_us", Cost::Fold, |batch, row, value| duration(batch, row).max_us = value),
        ("folds.duration.scale", Cost::Fold, |batch, row, value| duration(batch, row).scale = value as i32),
        ("folds.duration.zero", Cost::Fold, |batch, row, value| duration(batch, row).zero_count = value),
        ("folds.duration.offset", Cost::Fold, |batch, row, value| {
            duration(batch, row).offset = value as i32;
        }),
        ("folds.duration.counts", Cost::Fold, |batch, row, value| duration(batch, row).counts[0] = value),
        ("in_flight.long.edge", Cost::Row, |batch, row, value| {
            batch.in_flight[row].long[0].edge = value as u32;
        }),
        ("in_flight.long.count", Cost::Row, |batch, row, value| batch.in_flight[row].long[0].count = value),
    ]);
    fields.extend::<[(&'static str, Cost, Set); 8]>([
        ("records.edge", Cost::Record, |batch, row, value| records(batch).edge[row] = value as u32),
        ("records.outcome", Cost::Record, |batch, row, value| records(batch).outcome[row] = value as u32),
        ("records.start", Cost::Record, |batch, row, value| {
            records(batch).start_delta_us[row] = value.cast_signed();
        }),
        ("records.duration_us", Cost::Record, |batch, row, value| records(batch).duration_us[row] = value),
        ("records.request", Cost::Record, |batch, row, value| records(batch).request_bytes[row] = value),
        ("records.response", Cost::Record, |batch, row, value| records(batch).response_bytes[row] = value),
        ("records.hash", Cost::Record, |batch, row, value| {
            records(batch).request_id_hash[row] = value as u32;
        }),
        ("records.attempts", Cost::Record, |batch, row, value| records(batch).attempts[row] = value as u32),
    ]);
    fields
}

fn records(batch: &mut v1::Batch) -> &mut v1::Records {
    batch.records.as_mut().unwrap()
}

fn duration(batch: &mut v1::Batch, row: usize) -> &mut v1::DurationHistogram {
    batch.folds[row].duration.as_mut().unwrap()
}

/// Returns a batch with rows in every table. Each edge has `ROWS` records and one fold row.
fn valid() -> v1::Batch {
    let rows = || 0..ROWS;
    let flow = |edge| v1::Flow { edge, opened: 1, request_bytes: 5, response_bytes: 6 };
    let long = |edge| v1::InFlightLong { edge, count: 1, oldest_age_us: 9, ..v1::InFlightLong::default() };
    let reporter = |row: u32| 1 + row.cast_signed() % 3;
    let edge = |row| v1::Edge { reporter: reporter(row), peer_workload: 1 + row, ..v1::Edge::default() };
    let outcome = |row| v1::Outcome { response_code: 200 + row, protocol: 1, ..v1::Outcome::default() };
    let open = |row| v1::InFlight {
        reporter: reporter(row),
        count: 2,
        oldest_age_us: 9,
        long_count: 1,
        long: vec![long(row)],
    };
    let messages = |row| v1::Messages { edge: row, outcome: row, request_messages: 1, response_messages: 2 };
    v1::Batch {
        schema_version: 1,
        proxy: "sidecar~10.0.0.1~a.b~b.svc.cluster.local".into(),
        epoch: 7,
        sequence: 1,
        identity: Some(v1::Identity { workload: "shop".into(), ..v1::Identity::default() }),
        ledger: Some(v1::Ledger {
            seen_total: SENT + FOLDED_TOTAL,
            sent_total: SENT,
            folded_total: FOLDED_TOTAL,
            ..v1::Ledger::default()
        }),
        base_time_unix_us: NOW_US,
        strings: std::iter::once(String::new()).chain(rows().map(|row| format!("w{row}"))).collect(),
        edges: rows().map(edge).collect(),
        outcomes: rows().map(outcome).collect(),
        records: Some(single_records()),
        folds: rows().map(fold).collect(),
        // One entry for each reporter.
        in_flight: (0..ROWS - 1).map(open).collect(),
        connections: rows().map(flow).collect(),
        streams: rows().map(flow).collect(),
        messages: rows().map(messages).collect(),
        ..v1::Batch::default()
    }
}

/// Returns one record for each edge and outcome.
fn single_records() -> v1::Records {
    let pairs = || (0..ROWS).flat_map(|edge| (0..ROWS).map(move |outcome| (edge, outcome)));
    let count = pairs().count();
    v1::Records {
        edge: pairs().map(|(edge, _)| edge).collect(),
        outcome: pairs().map(|(_, outcome)| outcome).collect(),
        start_delta_us: vec![10; count],
        duration_us: vec![100; count],
        request_bytes: vec![1; count],
        response_bytes: vec![3; count],
        request_id_hash: vec![8; count],
        attempts: vec![1; count],
    }
}

fn fold(row: u32) -> v1::Fold {
    let histogram = v1::DurationHistogram {
        sum_us: 9,
        min_us: 2,
        max_us: 4,
        zero_count: 1,
        counts: vec![2],
        ..v1::DurationHistogram::default()
    };
    v1::Fold { edge: row, outcome: row, count: FOLDED, duration: Some(histogram), ..v1::Fold::default() }
}

/// Most requests that a row can cost.
fn cost_max(cost: Cost) -> u64 {
    match cost {
        Cost::Row => 0,
        Cost::Record => 1,
        Cost::Fold => FOLDED,
        Cost::Table => u64::from(ROWS) + FOLDED,
    }
}

/// Sends a batch through the intake and the engine, and compares the counts: every request is
/// counted or rejected by reason, and the ledger adds up.
fn check(batch: &v1::Batch, cost: Cost) -> Result<RowCounts, TestCaseError> {
    let message = Bytes::from(batch.encode_to_vec());
    let mut raw = RawBatch::read(&message, &Limits::default(), NOW_US).unwrap();
    let validated = RawBatch::read(&message, &Limits::default(), NOW_US).unwrap().into_batch().unwrap();
    let by_validator = super::super::check(batch.clone(), &Limits::default(), NOW_US).unwrap();
    prop_assert_eq!(&validated, &by_validator);
    let mut engine = Engine::new(Settings::default());
    prop_assert_eq!(engine.accept(&mut raw, &mut Vec::new()), Ok(Answer::Accepted));
    let rejected = validated.rejected.total();
    let (single, folded) = validated.content();
    prop_assert!(rejected.requests() <= cost_max(cost), "{:?}", rejected);
    prop_assert_eq!(single + rejected.single, SENT);
    // The count of a rejected fold row can be the invalid value.
    prop_assert!(FOLDED_TOTAL - folded <= cost_max(cost) && folded + rejected.folded <= FOLDED_TOTAL);
    let entry = engine.ledger().entries().into_values().next().unwrap();
    prop_assert_eq!((entry.delivered, entry.folded), (single, folded));
    prop_assert_eq!(entry.dropped(), SENT - single + FOLDED_TOTAL - folded);
    prop_assert_eq!(entry.unaccounted(), 0);
    prop_assert_eq!(entry.rejected_rows.values().sum::<u64>(), rejected.rows);
    Ok(rejected)
}

#[test]
fn the_valid_batch_has_no_rejected_rows() {
    let rejected = check(&valid(), Cost::Row).unwrap();
    assert_eq!(rejected, RowCounts::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_value_of_any_field_costs_at_most_its_row(
        field in any::<prop::sample::Index>(),
        row in 0..3_usize,
        value in prop_oneof![0..20_u64, 0..2_000_u64, any::<u64>(), any::<u32>().prop_map(u64::from)],
    ) {
        let fields = fields();
        let (name, cost, set) = *field.get(&fields);
        let mut batch = valid();
        set(&mut batch, row, value);
        let rejected = check(&batch, cost)?;
        // Without requests, an entry of requests in flight costs its rows, too.
        prop_assert!(rejected.requests() > 0 || rejected.rows <= 2, "{name}: {rejected:?}");
    }

    #[test]
    fn a_text_of_any_length_costs_at_most_the_rows_that_use_it(row in 1..5_usize, length in 0..2_000_usize) {
        let mut batch = valid();
        batch.strings[row] = "x".repeat(length);
        let rejected = check(&batch, Cost::Table)?;
        prop_assert_eq!(rejected.requests() > 0, length > 512);
    }

    #[test]
    fn any_base_time_costs_nothing(base_us in any::<u64>()) {
        let batch = v1::Batch { base_time_unix_us: base_us, ..valid() };
        prop_assert_eq!(check(&batch, Cost::Row)?, RowCounts::default());
    }
}
