use crate::batch::{Batch, EncodedMessage, Fold, FoldTable};
use crate::in_flight::{ByteDelta, InFlightSummary, LongRequests};
use crate::record::{
    Edge, FailureReason, MessageCounts, Outcome, Peer, Protocol, Record, Reporter, RequestStats,
};
use crate::record::{Service, ServiceEvidence};
use hopscope_proto::v1;
use prost::Message;
use std::rc::Rc;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn bytes(batch: &Batch) -> Vec<u8> {
    let mut message = EncodedMessage::default();
    batch.write(&mut message);
    message.into_bytes()
}

/// Decodes with prost, and checks that prost encodes to the same length.
fn wire(batch: &Batch) -> v1::Batch {
    let bytes = bytes(batch);
    let wire = v1::Batch::decode(bytes.as_slice()).unwrap();
    assert_eq!(wire.encoded_len(), bytes.len());
    wire
}

fn record(service: &str, response_code: u32, start_us: u64) -> Record {
    let mut edge = Edge::default();
    edge.service.host = service.to_owned();
    Record {
        edge: Rc::new(edge),
        outcome: Outcome { response_code, ..Outcome::default() },
        stats: RequestStats { start_us, duration_us: 9, attempts: 1, ..RequestStats::default() },
        messages: MessageCounts::default(),
    }
}

#[test]
fn repeated_values_occur_once_and_times_are_deltas() {
    let mut batch = Batch::default();
    let mut second = record("b", 200, 900);
    second.stats.attempts = 0;
    for record in [record("a", 200, 1_000), second, record("a", 503, 1_100)] {
        batch.push(&record);
    }
    let wire = wire(&batch);
    let records = wire.records.unwrap();
    assert_eq!(wire.strings, ["", "a", "b"]);
    assert_eq!((wire.edges.len(), wire.outcomes.len()), (2, 2));
    assert_eq!((records.edge, records.attempts), (vec![0, 1, 0], vec![1, 0, 1]));
    assert_eq!(records.outcome, [0, 0, 1]);
    assert_eq!((wire.base_time_unix_us, records.start_delta_us), (1_000, vec![0, -100, 200]));
}

#[test]
fn messages_have_one_row_per_edge_and_outcome() {
    let mut batch = Batch::default();
    let mut table = FoldTable::default();
    for (service, text) in [("a", "1,5"), ("b", ""), ("a", "2,0"), ("c", "7,7,7"), ("a", "x")] {
        let mut record = record(service, 200, 1_000);
        record.messages = MessageCounts::read(text);
        assert!(table.add(&record.edge, &record.outcome, &record.stats, 8));
        table.add_messages(&record.edge, &record.outcome, record.messages);
        batch.push(&record);
    }
    for (edge, outcome, fold) in table.drain(8) {
        batch.push_fold(&edge, &outcome, fold);
    }
    let rows = wire(&batch).messages;
    let rows = rows.iter().map(|row| (row.edge, row.request_messages, row.response_messages));
    assert_eq!(rows.collect::<Vec<_>>(), [(0, 6, 10), (2, 14, 0)]);
}

#[test]
fn a_column_of_single_attempts_is_omitted() {
    let mut batch = Batch::default();
    for start_us in [1_000, 1_010] {
        batch.push(&record("a", 200, start_us));
    }
    assert_eq!(wire(&batch).records.unwrap().attempts, [0_u32; 0]);
}

#[test]
fn fold_rows_share_the_tables_of_the_records() {
    let mut table = FoldTable::default();
    let mut batch = Batch::default();
    batch.push(&record("a", 200, 1_000));
    for record in [record("a", 200, 10), record("a", 200, 30)] {
        assert!(table.add(&record.edge, &record.outcome, &record.stats, 8));
    }
    for (edge, outcome, fold) in table.drain(8) {
        batch.push_fold(&edge, &outcome, fold);
    }
    assert_eq!((batch.len(), batch.folded()), (1, 2));
    let wire = wire(&batch);
    assert_eq!((wire.edges.len(), wire.outcomes.len()), (1, 1));
    let fold = wire.folds.first().unwrap();
    assert_eq!((fold.count, fold.first_start_delta_us, fold.last_start_delta_us), (2, -990, -970));
}

#[test]
fn the_columns_equal_those_of_prost() {
    let large = [0, 1, 127, 128, 300, 1 << 21, 1 << 35, u64::MAX];
    for count in 0..large.len() {
        let mut batch = Batch::default();
        for (i, number) in large.iter().take(count).enumerate() {
            let mut record = record("a", 200, *number);
            record.stats = RequestStats {
                duration_us: *number,
                request_bytes: number / 2,
                response_bytes: number / 3,
                request_id_hash: i as u32 * 0x0101_0101,
                attempts: if count % 2 == 0 { 1 } else { i as u32 * 77 },
                ..record.stats
            };
            batch.push(&record);
        }
        let bytes = bytes(&batch);
        let prost = v1::Batch::decode(bytes.as_slice()).unwrap();
        let records = prost.records.unwrap_or_default();
        let starts = records.start_delta_us.iter().scan(prost.base_time_unix_us, |start, delta| {
            *start = start.wrapping_add_signed(*delta);
            Some(*start)
        });
        assert!(starts.eq(large.iter().take(count).copied()));
        assert!(records.duration_us.iter().eq(large.iter().take(count)));
        assert_eq!(records.request_id_hash.len(), count);
        assert_eq!(records.attempts.len(), if count % 2 == 0 { 0 } else { count });
        let again = v1::Batch { records: Some(records), ..v1::Batch::default() }.encode_to_vec();
        assert!(bytes.windows(again.len().max(1)).any(|window| window == again) || count == 0);
    }
}

/// Returns an edge with a distinct number in every field, from `first` on.
fn numbered_edge(first: u32, reporter: Reporter, evidence: ServiceEvidence, mutual_tls: bool) -> Rc<Edge> {
    let mut numbers = first..;
    let mut text = || numbers.next().unwrap().to_string();
    let peer = Peer {
        workload: text(),
        namespace: text(),
        app: text(),
        version: text(),
        canonical_service: text(),
        canonical_revision: text(),
        cluster: text(),
        address: text(),
        principal: text(),
    };
    let local_principal = text();
    let (host, name, namespace, subset) = (text(), text(), text(), text());
    let service = Service { host, name, namespace, subset, port: first, evidence };
    Rc::new(Edge { reporter, peer, local_principal, mutual_tls, service })
}

/// Returns the encoded counterpart of [`numbered_edge`], with the texts from index `texts` on.
fn numbered_wire_edge(
    first: u32,
    texts: u32,
    reporter: Reporter,
    evidence: ServiceEvidence,
    tls: bool,
) -> v1::Edge {
    v1::Edge {
        reporter: reporter.into(),
        peer_workload: texts,
        peer_namespace: texts + 1,
        peer_app: texts + 2,
        peer_version: texts + 3,
        peer_canonical_service: texts + 4,
        peer_canonical_revision: texts + 5,
        peer_cluster: texts + 6,
        peer_address: texts + 7,
        peer_principal: texts + 8,
        local_principal: texts + 9,
        mutual_tls: tls,
        service_host: texts + 10,
        service_name: texts + 11,
        service_namespace: texts + 12,
        service_port: first,
        subset: texts + 13,
        service_evidence: evidence.into(),
    }
}

/// Returns a batch with a distinct value in every field.
fn batch_with_every_field() -> Batch {
    let called = numbered_edge(100, Reporter::Source, ServiceEvidence::Sni, true);
    let caller = numbered_edge(200, Reporter::Destination, ServiceEvidence::Authority, false);
    let reason = FailureReason { code_details: "details".into(), transport_failure_reason: "reason".into() };
    let outcome = Outcome {
        response_code: 503,
        response_flags: 1 << 40,
        grpc_status: Some(0),
        protocol: Protocol::Tcp,
        failure: Some(Box::new(reason)),
        continued: true,
    };
    let mut batch = Batch::default();
    let stats = RequestStats { start_us: 1_000, duration_us: 9, attempts: 1, ..RequestStats::default() };
    let (edge, messages) = (called.clone(), MessageCounts { request: 3, response: 4 });
    batch.push(&Record { edge, outcome: outcome.clone(), stats, messages });
    let mut fold = Fold { count: 2, first_start_us: 400, last_start_us: 1_700, ..Fold::default() };
    fold.duration.add(300);
    (fold.request_bytes_sum, fold.response_bytes_sum) = (77, 88);
    batch.push_fold(&caller, &Outcome::default(), fold);
    let long = LongRequests {
        edge: caller.clone(),
        count: 5,
        oldest_age_us: 6,
        request_bytes: 7,
        response_bytes: 8,
    };
    let (count, oldest_age_us, long_count) = (10, 11, 12);
    batch.push_in_flight(&InFlightSummary {
        reporter: Reporter::Waypoint,
        count,
        oldest_age_us,
        long_count,
        long: vec![long.clone(), long],
    });
    let delta =
        |edge: &Rc<Edge>| ByteDelta { edge: edge.clone(), opened: 1, request_bytes: 2, response_bytes: 300 };
    batch.push_connections(&delta(&called));
    batch.push_streams(&delta(&caller));
    batch
}

/// Returns the encoded fold of [`batch_with_every_field`].
fn encoded_fold() -> v1::Fold {
    v1::Fold {
        edge: 1,
        outcome: 1,
        count: 2,
        first_start_delta_us: -600,
        last_start_delta_us: 700,
        duration: Some(v1::DurationHistogram {
            sum_us: 300,
            min_us: 300,
            max_us: 300,
            scale: 3,
            zero_count: 0,
            offset: 65,
            counts: vec![1],
        }),
        request_bytes_sum: 77,
        response_bytes_sum: 88,
    }
}

/// Returns the encoded counterpart of [`batch_with_every_field`].
fn encoded_batch_with_every_field() -> v1::Batch {
    let texts = (100..114).chain(200..214).map(|number: u32| number.to_string());
    let texts = [String::new()].into_iter().chain(texts).chain(["details".into(), "reason".into()]);
    let long = v1::InFlightLong { edge: 1, count: 5, oldest_age_us: 6, request_bytes: 7, response_bytes: 8 };
    let delta = |edge| v1::Flow { edge, opened: 1, request_bytes: 2, response_bytes: 300 };
    v1::Batch {
        base_time_unix_us: 1_000,
        strings: texts.collect(),
        edges: vec![
            numbered_wire_edge(100, 1, Reporter::Source, ServiceEvidence::Sni, true),
            numbered_wire_edge(200, 15, Reporter::Destination, ServiceEvidence::Authority, false),
        ],
        outcomes: vec![
            v1::Outcome {
                response_code: 503,
                response_flags: 1 << 40,
                grpc_status: Some(0),
                protocol: Protocol::Tcp.into(),
                code_details: 29,
                transport_failure_reason: 30,
                continued: true,
            },
            v1::Outcome::default(),
        ],
        records: Some(v1::Records {
            edge: vec![0],
            outcome: vec![0],
            start_delta_us: vec![0],
            duration_us: vec![9],
            request_bytes: vec![0],
            response_bytes: vec![0],
            request_id_hash: vec![0],
            attempts: vec![],
        }),
        folds: vec![encoded_fold()],
        in_flight: vec![v1::InFlight {
            reporter: Reporter::Waypoint.into(),
            count: 10,
            oldest_age_us: 11,
            long_count: 12,
            long: vec![long, long],
        }],
        connections: vec![delta(0)],
        streams: vec![delta(1)],
        messages: vec![v1::Messages { edge: 0, outcome: 0, request_messages: 3, response_messages: 4 }],
        ..v1::Batch::default()
    }
}

#[test]
fn every_field_has_its_number_in_the_contract() {
    assert_eq!(wire(&batch_with_every_field()), encoded_batch_with_every_field());
}
