use super::read;
use crate::batch::{Batch, Record};
use crate::intake::reject::Rejection;
use crate::intake::validate::{self, Limits};
use hopscope_proto::v1;
use proptest::prelude::*;
use prost::Message;
use prost::bytes::Bytes;

const NOW_US: u64 = 1_700_000_000_000_000;

/// Reads bytes with prost and the validator.
fn oracle(message: &[u8]) -> Result<Batch, Rejection> {
    validate::rows_fit(message, &Limits::default())?;
    let batch = v1::Batch::decode(message).map_err(|e| Rejection::Malformed(e.to_string()))?;
    validate::check(batch, &Limits::default(), NOW_US)
}

fn small() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..3_u64, 1 => 0..1000_u64, 1 => any::<u64>()]
}

fn index() -> impl Strategy<Value = u32> {
    prop_oneof![20 => 0..3_u32, 1 => any::<u32>()]
}

fn edge() -> impl Strategy<Value = v1::Edge> {
    let texts = proptest::collection::vec(index(), 14);
    (prop_oneof![9 => 1..4_i32, 1 => any::<i32>()], texts, any::<bool>(), -1..6_i32, any::<u32>()).prop_map(
        |(reporter, t, mutual_tls, service_evidence, service_port)| v1::Edge {
            reporter,
            peer_workload: t[0],
            peer_namespace: t[1],
            peer_app: t[2],
            peer_version: t[3],
            peer_canonical_service: t[4],
            peer_canonical_revision: t[5],
            peer_cluster: t[6],
            peer_address: t[7],
            peer_principal: t[8],
            local_principal: t[9],
            mutual_tls,
            service_host: t[10],
            service_name: t[11],
            service_namespace: t[12],
            service_port,
            subset: t[13],
            service_evidence,
        },
    )
}

fn outcome() -> impl Strategy<Value = v1::Outcome> {
    let code = prop_oneof![9 => 100..600_u32, 1 => any::<u32>()];
    let protocol = (-1..5_i32, proptest::bool::weighted(0.1));
    (code, any::<u64>(), proptest::option::of(any::<u32>()), protocol, index(), index()).prop_map(
        |(
            response_code,
            response_flags,
            grpc_status,
            (protocol, continued),
            code_details,
            transport_failure_reason,
        )| {
            v1::Outcome {
                response_code,
                response_flags,
                grpc_status,
                protocol,
                code_details,
                transport_failure_reason,
                continued,
            }
        },
    )
}

type Row = (u32, u32, i64, u64, u64, u64, u32, u32);

fn records() -> impl Strategy<Value = v1::Records> {
    let delta = prop_oneof![20 => -1000..1000_i64, 1 => any::<i64>()];
    let row = (0..2_u32, 0..2_u32, delta, small(), small(), small(), any::<u32>(), index());
    (proptest::collection::vec(row, 0..12), any::<bool>()).prop_map(|(rows, with_attempts)| {
        let column = |pick: fn(&Row) -> u64| rows.iter().map(pick).collect::<Vec<u64>>();
        v1::Records {
            edge: rows.iter().map(|row| row.0).collect(),
            outcome: rows.iter().map(|row| row.1).collect(),
            start_delta_us: rows.iter().map(|row| row.2).collect(),
            duration_us: column(|row| row.3),
            request_bytes: column(|row| row.4),
            response_bytes: column(|row| row.5),
            request_id_hash: rows.iter().map(|row| row.6).collect(),
            attempts: rows.iter().map(|row| row.7).filter(|_| with_attempts).collect(),
        }
    })
}

prop_compose! {
    fn any_batch()(
        texts in proptest::collection::vec("[a-zé]{0,9}", 2..4),
        edges in proptest::collection::vec(edge(), 2..4),
        outcomes in proptest::collection::vec(outcome(), 2..4),
        records in proptest::option::weighted(0.9, records()),
        folds in proptest::collection::vec((0..3_u32, 0..3_u32, 1..5_u64), 0..2),
        open in proptest::collection::vec((1..3_i32, 0..3_u64, 0..3_u32), 0..2),
        connections in proptest::collection::vec((0..3_u32, 0..3_u64), 0..2),
        streams in proptest::collection::vec((0..3_u32, 0..3_u64), 0..2),
        messages in proptest::collection::vec((0..3_u32, 0..3_u32, 0..3_u64), 0..2),
        identity in proptest::option::of("[a-z]{0,4}"),
        (epoch, sequence, attempt) in (0..9_u64, 0..9_u64, 0..3_u32),
        seen in prop_oneof![9 => Just(100_u64), 1 => any::<u64>()],
        lead_us in prop_oneof![8 => Just(0_u64), 1 => 600_000_001..90_000_000_000_u64],
    ) -> v1::Batch {
        v1::Batch {
            schema_version: 1,
            proxy: "sidecar~10.0.0.1~a.b~c".into(),
            epoch,
            sequence,
            attempt,
            identity: identity.map(|workload| v1::Identity { workload, ..v1::Identity::default() }),
            ledger: Some(v1::Ledger { seen_total: seen, sent_total: 80, folded_total: 20, ..v1::Ledger::default() }),
            base_time_unix_us: NOW_US + lead_us,
            strings: [String::new()].into_iter().chain(texts).collect(),
            edges,
            outcomes,
            records,
            folds: folds.into_iter().map(|(edge, outcome, count)| v1::Fold {
                edge,
                outcome,
                count,
                duration: Some(v1::DurationHistogram { zero_count: count, ..v1::DurationHistogram::default() }),
                ..v1::Fold::default()
            }).collect(),
            in_flight: open.into_iter().map(|(reporter, count, edge)| v1::InFlight {
                reporter,
                count,
                long_count: count,
                long: vec![v1::InFlightLong { edge, count, oldest_age_us: 1, ..v1::InFlightLong::default() }],
                ..v1::InFlight::default()
            }).collect(),
            messages: messages.into_iter().map(|(edge, outcome, request_messages)| v1::Messages {
                edge,
                outcome,
                request_messages,
                response_messages: 7,
            }).collect(),
            connections: connections.into_iter().map(|(edge, opened)| v1::Flow {
                edge,
                opened,
                ..v1::Flow::default()
            }).collect(),
            streams: streams.into_iter().map(|(edge, request_bytes)| v1::Flow {
                edge,
                request_bytes,
                ..v1::Flow::default()
            }).collect(),
        }
    }
}

/// Reads bytes with the fast-path decoder, including the records.
fn fast_path(message: &Bytes) -> Option<Batch> {
    let (mut batch, columns) = read(message, &Limits::default(), NOW_US)?;
    if let Some(columns) = columns {
        // Decoding replaces earlier content.
        let mut records = vec![Record { attempts: 7, ..Record::default() }; 3];
        columns.read(message, &mut records)?;
        batch.records = records;
    }
    Some(batch)
}

/// Compares both decoders. Returns whether the fast path accepted the bytes.
fn compare(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let message = Bytes::copy_from_slice(bytes);
    let fast = fast_path(&message);
    let expected = oracle(&message);
    if let Some(batch) = &fast {
        prop_assert_eq!(Ok(batch), expected.as_ref());
    }
    prop_assert_eq!(crate::intake::raw_batch::read(&message, &Limits::default(), NOW_US), expected);
    Ok(fast.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn batches_are_read_like_prost(batch in any_batch()) {
        let bytes = batch.encode_to_vec();
        let fast = compare(&bytes)?;
        // The fast path reads every valid batch, except connections and streams.
        let is_tcp = |outcome: &v1::Outcome| outcome.continued || outcome.protocol == i32::from(v1::Protocol::Tcp);
        let has_flows = !batch.connections.is_empty() || !batch.streams.is_empty();
        let is_fallback = has_flows || batch.outcomes.iter().any(is_tcp);
        // Invalid rows and times of single records are left to the validator.
        let is_canonical = |batch: Batch| batch.rejected.is_empty() && batch.moved == 0;
        let expected = !is_fallback && oracle(&bytes).is_ok_and(is_canonical);
        // With a base time in the future, all times are moved, by either path.
        prop_assert!(fast == expected || fast && batch.base_time_unix_us > NOW_US);
    }

    #[test]
    fn corrupted_batches_are_read_like_prost(
        batch in any_batch(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        tail in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut bytes = batch.encode_to_vec();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        compare(&bytes)?;
        compare(&bytes[..cut.index(bytes.len())])?;
        compare(&[bytes, tail].concat())?;
    }

    /// Protobuf merges repeated fields of concatenated messages.
    #[test]
    fn concatenated_batches_are_read_like_prost(one in any_batch(), other in any_batch()) {
        compare(&[one.encode_to_vec(), other.encode_to_vec()].concat())?;
    }
}

#[test]
fn identity_may_come_last_and_unknown_fields_are_skipped() {
    let mut bytes = v1::Batch {
        schema_version: 1,
        proxy: "p".into(),
        epoch: 1,
        sequence: 1,
        ledger: Some(v1::Ledger::default()),
        strings: vec![String::new()],
        ..v1::Batch::default()
    }
    .encode_to_vec();
    // Field 99 with each wire type.
    bytes.extend(b"\x98\x06\x01\x99\x06\0\0\0\0\0\0\0\0\x9a\x06\x02hi\x9d\x06\0\0\0\0");
    let identity = v1::Identity { workload: "w".into(), ..v1::Identity::default() };
    let tail = v1::Batch { identity: Some(identity), ..v1::Batch::default() };
    bytes.extend(tail.encode_to_vec());
    let (batch, _) = read(&bytes.into(), &Limits::default(), NOW_US).unwrap();
    assert_eq!(batch.identity.map(|identity| identity.workload), Some("w".into()));
}
