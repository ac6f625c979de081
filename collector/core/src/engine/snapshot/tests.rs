use super::{Section, decode, encode, sections};
use crate::batch::{
    Batch, Connections, DropReason, Edge, EpochId, Evidence, Flow, Fold, FoldedDurations, Identity, Outcome,
    Peer, Protocol, Record, Reporter, Service, Totals,
};
use crate::engine::{Engine, Settings};
use crate::snapshot::bytes::{Writer, collected};
use proptest::prelude::*;
use std::sync::Arc;

const SECOND_US: u64 = 1_000_000;

/// A batch with requests, a fold row, connections and a stream: some to a service, some from the
/// address `caller`.
fn batch(proxy: &str, sequence: u64, caller: &str) -> Batch {
    let text = |name: &str| format!("{name}-{proxy}").into();
    let service = Service { host: "pay.shop.svc".into(), evidence: Evidence::Cluster, ..Service::default() };
    let authority = Service { host: text("host"), evidence: Evidence::Authority, ..Service::default() };
    let outbound = |service| Edge { peer: Peer::default(), service, mutual_tls: true, ..Edge::default() };
    let principal = "spiffe://m/ns/n/sa/x".into();
    let inbound = Edge {
        reporter: Reporter::Destination,
        peer: Peer { address: caller.into(), principal, ..Peer::default() },
        ..Edge::default()
    };
    Batch {
        epoch_id: EpochId { proxy: proxy.into(), epoch: 7 },
        sequence,
        messages: vec![crate::batch::Messages { request: 3, response: 5, ..Default::default() }],
        connections: Connections {
            closed: vec![Record { edge: 2, request_bytes: 7, ..Record::default() }],
            open: vec![Flow { edge: 0, opened: 2, request_bytes: 3, response_bytes: 4 }],
            ..Connections::default()
        },
        streams: vec![Flow { edge: 0, opened: 1, request_bytes: 5, response_bytes: 6 }],
        identity: Some(Identity {
            workload: text("workload"),
            service_account: "sa".into(),
            addresses: vec![text("address")],
            ..Identity::default()
        }),
        totals: totals(sequence),
        edges: [outbound(service), outbound(authority), inbound].map(Arc::new).to_vec().into(),
        outcomes: outcomes(),
        records: [(0, 0), (1, 1), (2, 0)]
            .map(|(edge, outcome)| Record {
                edge,
                outcome,
                duration_us: sequence * 1_000,
                ..Record::default()
            })
            .to_vec(),
        folds: vec![fold()],
        ..Batch::example()
    }
}

fn totals(sequence: u64) -> Totals {
    Totals {
        seen: 20 * sequence,
        sent: 3 * sequence,
        folded: 5 * sequence,
        dropped: vec![(DropReason::FoldTableFull, 10 * sequence), (DropReason::Unknown(-3), 2 * sequence)],
        buffered: 0,
    }
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome { response_code: 200, protocol: Protocol::Http, ..Outcome::default() },
        Outcome {
            response_flags: 1 << 63,
            grpc_status: Some(14),
            protocol: Protocol::Grpc,
            response_code: 0,
        },
    ]
}

fn fold() -> Fold {
    let durations =
        FoldedDurations { zero_count: 1, counts: vec![4], max_us: 9, ..FoldedDurations::default() };
    Fold { edge: 2, outcome: 1, count: 5, durations, ..Fold::default() }
}

/// An engine with state in every stage.
fn engine() -> Engine {
    let mut limits = Settings::default();
    limits.aggregate.series_max = 8;
    let mut engine = Engine::new(limits);
    for (proxy, sequence, at_us) in
        [("p", 1, 1), ("q", 4, 2), ("p", 9, 3), ("p", 5, 4), ("p", 5, 5), ("r", 1, 6)]
    {
        engine.apply_batch(&batch(proxy, sequence, "address-unknown"), at_us * SECOND_US);
    }
    engine
}

/// Returns the state of the stages as sorted text.
fn shown(engine: &Engine) -> Vec<String> {
    let mut shown: Vec<String> = engine.aggregate.iter(&engine.edges).map(|row| format!("{row:?}")).collect();
    shown.extend(engine.connections.iter(&engine.edges).map(|row| format!("{row:?}")));
    shown.sort();
    shown.push(format!("{:?} {}", engine.ledger.entries(), engine.ledger.open()));
    shown.push(format!("{} pending, {} proxies", engine.pending.len(), engine.address_book.proxies()));
    shown.push(format!("{} over, {:?}", engine.aggregate.overflowed(), engine.aggregate.expired()));
    shown
}

fn restored(engine: &Engine) -> Engine {
    let mut limits = Settings::default();
    limits.aggregate.series_max = 8;
    let mut restored = Engine::new(limits);
    assert_eq!(decode(&encode(engine, 42), &mut restored), Ok(42));
    restored
}

#[test]
fn a_restored_engine_has_the_same_state_and_continues_the_same() {
    let mut before = engine();
    assert!(!before.pending.is_empty() && before.aggregate.overflowed() > 0, "{:?}", shown(&before));
    let mut after = restored(&before);
    assert_eq!(shown(&after), shown(&before));
    for engine in [&mut before, &mut after] {
        // A duplicate, a batch for a gap, one of the caller that was pending, and the end of all
        // waits.
        engine.apply_batch(&batch("p", 9, "address-unknown"), 7 * SECOND_US);
        engine.apply_batch(&Batch { identity: None, ..batch("p", 3, "address-q") }, 7 * SECOND_US);
        engine.apply_batch(&batch("new", 1, "address-q"), 7 * SECOND_US);
        engine.tick(60 * SECOND_US);
    }
    assert_eq!(shown(&after), shown(&before));
    assert_eq!(restored(&after).pending.len(), 0);
}

/// Checks the error of an unreadable snapshot.
#[track_caller]
fn check(file: &[u8], expected: &str) {
    let refusal = decode(file, &mut Engine::new(Settings::default())).unwrap_err();
    assert_eq!(refusal.to_string(), expected);
}

/// Bytes before and after the body.
const HEAD_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 4;

fn body_of(file: &[u8]) -> &[u8] {
    &file[HEAD_BYTES..file.len() - CHECKSUM_BYTES]
}

/// Returns the snapshot with a changed body and a correct checksum.
fn with_body(file: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = body_of(file).to_vec();
    change(&mut body);
    let all = [&file[..HEAD_BYTES], &body].concat();
    [&all[..], &crc32fast::hash(&all).to_le_bytes()].concat()
}

#[test]
fn a_snapshot_of_another_version_is_rejected_with_a_reason() {
    let file = encode(&engine(), 1);
    check(b"", "the file does not begin like a hopscope snapshot");
    check(b"HOPC", "the checksum is wrong: the snapshot is damaged or incomplete");
    let mut newer = file.clone();
    newer[4] = 3;
    check(&newer, "format version 3 is not supported; this hopscope reads version 2");
    // The body: segment, then text number 0, length 6, `ledger`, version.
    assert_eq!(body_of(&file)[..10], *b"\x01\x00\x06ledger\x04");
    let other = with_body(&file, |body| body[3..9].copy_from_slice(b"fridge"));
    check(&other, "section `fridge` is unknown to this hopscope");
    let changed = with_body(&file, |body| body[9] = 5);
    check(&changed, "section `ledger` has version 5; this hopscope reads version 4");
    let elsewhere = with_body(&file, |body| *body.last_mut().unwrap() ^= 1);
    let last = body_of(&file).len();
    check(&elsewhere, &format!("byte {last} of the body: a section has a wrong length"));
    let longer = with_body(&file, |body| body.push(0));
    check(&longer, &format!("byte {} of the body: a number is cut off", body_of(&file).len() + 1));
}

#[test]
fn every_truncation_and_every_flipped_bit_is_detected() {
    let file = encode(&engine(), 1);
    for index in 0..file.len() {
        assert!(decode(&file[..index], &mut Engine::new(Settings::default())).is_err(), "cut at {index}");
        let mut flipped = file.clone();
        flipped[index] ^= 1 << (index % 8);
        assert!(decode(&flipped, &mut Engine::new(Settings::default())).is_err(), "flipped at {index}");
    }
}

/// The next version has to read this format: a change of these bytes needs a new version of a
/// section.
#[test]
fn the_bytes_of_a_version_do_not_change() {
    let mut engine = Engine::new(Settings::default());
    let mut one = batch("p", 2, "");
    one.records.truncate(1);
    one.folds.clear();
    one.connections = Connections::default();
    one.edges.truncate(1);
    one.identity = Some(Identity { workload: "w".into(), ..Identity::default() });
    engine.apply_batch(&one, SECOND_US);
    let file = encode(&engine, 3);
    assert_eq!((file.len(), crc32fast::hash(body_of(&file))), (1_041, 2_258_892_444));
}

/// A step of a run: proxy, time since the step before in ms, caller, and request id; a tick without
/// a proxy.
type Step = (u8, u16, u8, u8);

/// Runs steps, with a restart from a snapshot before each of `restarts`.
fn run(steps: &[Step], restarts: &[usize], limits: &Settings) -> Engine {
    let mut engine = Engine::new(limits.clone());
    let (mut now_us, mut sequences) = (3_600 * SECOND_US, [0; 4]);
    for (index, (proxy, after_ms, caller, id)) in steps.iter().enumerate() {
        if restarts.contains(&index) {
            let file = encode(&engine, 1);
            engine = Engine::new(limits.clone());
            assert_eq!(decode(&file, &mut engine), Ok(1));
            assert!(encode(&engine, 1) == file, "a restored engine differs from the written one");
        }
        now_us += u64::from(*after_ms) * 1_000;
        let number = usize::from(*proxy);
        let Some(sequence) = sequences.get_mut(number) else {
            engine.tick(now_us);
            continue;
        };
        *sequence += 1;
        let caller = ["address-p0", "address-p1", "address-unknown"][usize::from(*caller)];
        let mut batch = batch(&format!("p{number}"), *sequence, caller);
        let start_us = now_us - 900_000;
        for record in &mut batch.records {
            *record = Record { start_us, request_id_hash: u32::from(*id), attempts: 1, ..*record };
        }
        engine.apply_batch(&batch, now_us);
    }
    engine
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A snapshot and the rest of the journal give the same state as the run without a restart, so
    /// no number that was exported falls.
    #[test]
    fn a_restart_at_any_step_changes_no_number(
        steps in proptest::collection::vec((0..8_u8, 0..4_000_u16, 0..3_u8, 0..6_u8), 1..80),
        restarts in proptest::collection::vec(0..80_usize, 1..4),
        (series_max, pending_max, callers_max, groups_max) in (1..9_usize, 4..60_usize, 0..9_usize, 0..9_usize),
        (bytes_max, edge_instances_max, edge_records_max) in (0..2_000_usize, 1..3_usize, 0..4_usize),
    ) {
        let mut limits = Settings::default();
        limits.aggregate.series_max = series_max;
        limits.join.pending_max = pending_max;
        limits.identity.caller_inference_max = callers_max;
        limits.identity.pending_groups_max = groups_max;
        (limits.windows.bytes_max, limits.windows.edge_instances_max) = (bytes_max, edge_instances_max);
        (limits.failures.edge_records_max, limits.failures.records_max) = (edge_records_max, 8);
        let (before, after) = (run(&steps, &[], &limits), run(&steps, &restarts, &limits));
        for Section { name, save, .. } in sections() {
            let bytes = |engine| {
                collected(|sink| {
                    let mut to = Writer::after(&[], sink).canonical();
                    save(engine, &mut to);
                    to.end();
                })
            };
            prop_assert!(bytes(&before) == bytes(&after), "section {}", name);
        }
    }
}

proptest! {
    /// Arbitrary bytes with a correct checksum are read or rejected, without a panic.
    #[test]
    fn no_body_causes_a_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let file = encode(&engine(), 1);
        let changed = with_body(&file, |body| {
            for (index, value) in changes {
                let index = index.index(body.len());
                body[index] = value;
            }
        });
        let _ = decode(&changed, &mut Engine::new(Settings::default()));
    }
}
