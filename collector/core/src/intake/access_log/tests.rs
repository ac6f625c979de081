mod cases;
mod rules;

use super::flags::bits;
use super::{Batch, Skip, Stream};
use crate::batch::request_id_hash;
use crate::batch::{self, Source};
use crate::intake::proto_fields::Fields;
use crate::intake::validate::{self, Limits};
use hopscope_proto::envoy::config::core::v3::address::Address as AddressKind;
use hopscope_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use hopscope_proto::envoy::config::core::v3::{Address, Node, SocketAddress};
use hopscope_proto::envoy::data::accesslog::v3::tls_properties::CertificateProperties;
use hopscope_proto::envoy::data::accesslog::v3::tls_properties::certificate_properties::SubjectAltName;
use hopscope_proto::envoy::data::accesslog::v3::tls_properties::certificate_properties::subject_alt_name::San;
use hopscope_proto::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, HttpResponseProperties, ResponseFlags, TlsProperties,
};
use hopscope_proto::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use hopscope_proto::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier, LogEntries,
};
use proptest::prelude::*;
use prost::Message;

/// Time shortly after the capture.
const NOW_US: u64 = 1_795_625_130_000_000;

/// Messages of a real Envoy 1.40.0; see `collector/tests/als/README.md`.
const CAPTURE: &[u8] = include_bytes!("../../../../tests/als/envoy-1.40.0.bin");

/// Splits the capture into messages; each follows a length of four bytes.
fn messages(mut capture: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = capture.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        messages.push(message);
        capture = rest;
    }
    messages
}

fn batches(stream: &mut Stream, message: &[u8]) -> Result<Vec<Batch>, super::Error> {
    let mut batches = stream.read(message, NOW_US)?;
    let mut read = Vec::new();
    while let Some(batch) = batches.next_batch()? {
        read.push(batch);
    }
    Ok(read)
}

fn stream() -> Stream {
    Stream::new(7, "envoy~127.0.0.1".into())
}

/// Formats one line per record.
fn text(valid: &batch::Batch, batch: &Batch) -> String {
    let records = batch.records.as_ref().unwrap();
    let line = |row: usize| {
        let (edge, outcome) = (
            &valid.edges.get(records.edge[row] as usize).unwrap(),
            &valid.outcomes[records.outcome[row] as usize],
        );
        let text = |index: u32| batch.strings[index as usize].as_str();
        let wire = &batch.outcomes[records.outcome[row] as usize];
        format!(
            "{} {} {} [{} {} {}] {} {:#x} {:?} {} {}ms in={} out={} tries={} id={}",
            edge.reporter.label(),
            outcome.protocol.label(),
            edge.service.host,
            edge.peer.workload,
            edge.peer.version,
            edge.peer.address,
            outcome.response_code,
            outcome.response_flags,
            outcome.grpc_status,
            text(wire.code_details),
            records.duration_us[row] / 1_000,
            records.request_bytes[row],
            records.response_bytes[row],
            records.attempts[row],
            records.request_id_hash[row] != 0,
        )
    };
    (0..records.edge.len()).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn capture_of_a_real_envoy_is_converted() {
    let mut lines = Vec::new();
    let mut stream = stream();
    for message in messages(CAPTURE) {
        if Fields::new(message).flatten().any(|(number, _)| number == 1) {
            stream = self::stream();
        }
        for batch in batches(&mut stream, message).unwrap() {
            let valid = validate::check(batch.clone(), &Limits::default(), NOW_US).unwrap();
            let identity = valid.identity.as_ref().unwrap();
            assert_eq!(
                (&*identity.workload, &*identity.namespace, &*identity.version),
                ("shop-v1", "shop", "v1")
            );
            assert_eq!((&*identity.service_account, &*identity.addresses[0]), ("shop", "10.244.0.2"));
            assert_eq!(identity.source, Source::AccessLog);
            assert_eq!(&*valid.epoch_id.proxy, "sidecar~10.244.0.2~shop-v1-7d9c.shop~shop.svc.cluster.local");
            lines.push(text(&valid, &batch));
        }
        assert_eq!(stream.take_skipped(), [0; Skip::LABELS.len()]);
    }
    assert_eq!(lines.join("\n"), include_str!("../../../../tests/als/envoy-1.40.0.txt").trim_end());
}

/// Converts one HTTP entry to a line.
fn one(log_name: &str, node: &str, change: impl FnOnce(&mut HttpAccessLogEntry)) -> String {
    let start = prost_types::Timestamp { seconds: 1_795_625_120, nanos: 1_000 };
    let mut entry = HttpAccessLogEntry {
        common_properties: Some(AccessLogCommon {
            start_time: Some(start),
            duration: Some(prost_types::Duration { seconds: 0, nanos: 7_000_000 }),
            access_log_type: AccessLogType::DownstreamEnd.into(),
            ..AccessLogCommon::default()
        }),
        response: Some(HttpResponseProperties {
            response_code: Some(200),
            ..HttpResponseProperties::default()
        }),
        ..HttpAccessLogEntry::default()
    };
    change(&mut entry);
    let message = StreamAccessLogsMessage {
        identifier: Some(Identifier {
            node: Some(Node { id: node.into(), ..Node::default() }),
            log_name: log_name.into(),
        }),
        log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries { log_entry: vec![entry] })),
    };
    let mut stream = stream();
    let batches = batches(&mut stream, &message.encode_to_vec()).unwrap();
    let skipped = stream.take_skipped().into_iter().zip(Skip::LABELS).find(|(count, _)| *count > 0);
    match (batches.first(), skipped) {
        (Some(batch), None) => {
            let valid = validate::check(batch.clone(), &Limits::default(), NOW_US).unwrap();
            let principal = &valid.edges.get(0).unwrap().peer.principal;
            format!("{} from {} {principal}", text(&valid, batch), valid.epoch_id.proxy)
        }
        (None, Some((_, label))) => format!("skipped: {label}"),
        other => panic!("{other:?}"),
    }
}

/// Returns an address of an entry; `None` for an empty one.
fn address(ip: &str, port: u32) -> Option<Address> {
    let port_specifier = Some(PortSpecifier::PortValue(port));
    let socket = SocketAddress { address: ip.into(), port_specifier };
    (!ip.is_empty()).then_some(Address { address: Some(AddressKind::SocketAddress(socket)) })
}

/// Returns a certificate with one URI; `None` for an empty one.
fn certificate(uri: &str) -> Option<CertificateProperties> {
    let san = Some(San::Uri(uri.into()));
    (!uri.is_empty()).then_some(CertificateProperties { subject_alt_name: vec![SubjectAltName { san }] })
}

fn common(entry: &mut HttpAccessLogEntry) -> &mut AccessLogCommon {
    entry.common_properties.as_mut().unwrap()
}

/// Compares the reporter of an entry.
#[track_caller]
fn check_reporter(log_name: &str, node: &str, cluster: &str, expected: &str) {
    let line = one(log_name, node, |entry| common(entry).upstream_cluster = cluster.into());
    assert_eq!(line.split(' ').next(), Some(expected), "{line}");
}

#[test]
fn reporter_is_declared_or_inferred_from_the_cluster() {
    check_reporter("hopscope", "edge-1", "inbound|8080||;", "destination");
    check_reporter("hopscope", "edge-1", "InboundPassthroughCluster", "destination");
    check_reporter("hopscope", "edge-1", "outbound|8080||a.b.svc.cluster.local;", "source");
    check_reporter("hopscope", "edge-1", "payments", "source");
    check_reporter("hopscope-inbound", "edge-1", "payments", "destination");
    check_reporter("hopscope-outbound", "edge-1", "inbound|8080||", "source");
    check_reporter("hopscope", "router~10.0.0.1~gw.istio~istio.svc", "inbound|8080||", "source");
    check_reporter("hopscope", "waypoint~10.0.0.1~wp.shop~shop.svc", "inbound|8080||", "waypoint");
}

#[test]
fn destination_uses_the_direct_address_and_certificate_of_its_peer() {
    let line = |direct_port| {
        one("hopscope", "", |entry| {
            let common = common(entry);
            common.downstream_remote_address = address("8.8.8.8", 0);
            common.downstream_direct_remote_address = address("10.0.0.9", direct_port);
            common.tls_properties = Some(TlsProperties {
                tls_sni_hostname: "outbound_.8080_.v1_.pay.shop.svc.cluster.local".into(),
                local_certificate_properties: certificate("spiffe://td/ns/shop/sa/pay"),
                peer_certificate_properties: certificate("spiffe://td/ns/shop/sa/web"),
            });
        })
    };
    let expected = "destination http pay.shop.svc.cluster.local [  10.0.0.9] 200 0x0 None  7ms in=0 out=0 tries=0 id=false \
                    from envoy~127.0.0.1 spiffe://td/ns/shop/sa/web";
    assert_eq!(line(4_711), expected);
    assert_eq!(line(0), expected.replace("10.0.0.9", ""));
}

#[test]
fn entry_without_a_finished_request_is_skipped_with_its_reason() {
    let kind = |kind: AccessLogType| one("x", "e", |entry| common(entry).access_log_type = kind.into());
    assert_eq!(kind(AccessLogType::DownstreamStart), "skipped: unfinished");
    assert_eq!(kind(AccessLogType::DownstreamPeriodic), "skipped: unfinished");
    assert_eq!(kind(AccessLogType::UpstreamEnd), "skipped: upstream");
    assert_eq!(kind(AccessLogType::UdpSessionEnd), "skipped: unsupported_type");
    assert!(kind(AccessLogType::NotSet).starts_with("source http"));
    // A type of a later Envoy.
    assert_eq!(one("x", "e", |entry| common(entry).access_log_type = 15), "skipped: unsupported_type");
    let old = |entry: &mut HttpAccessLogEntry| {
        common(entry).access_log_type = 0;
        common(entry).intermediate_log_entry = true;
    };
    assert_eq!(one("x", "e", old), "skipped: unfinished");
    let start = |seconds| one("x", "e", |entry| common(entry).start_time.as_mut().unwrap().seconds = seconds);
    for seconds in [-1, i64::MAX, 1_795_625_130 + 700, 1_795_625_130 - 90_000] {
        assert!(start(seconds).starts_with("source http"), "{seconds}");
    }
    assert_eq!(one("x", "e", |entry| common(entry).start_time = None), "skipped: time");
}

/// Returns the message with these bits of the bitmap.
fn flags(bits: u64) -> ResponseFlags {
    let mut bytes = Vec::new();
    for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
        let field = if bit == 28 { 28 } else { bit + 1 };
        // The field as a boolean `true`; field 13 is a message with a reason.
        let (kind, value): (_, &[u8]) = if field == 13 { (2, &[2, 8, 1]) } else { (0, &[1]) };
        prost::encode_length_delimiter(field << 3 | kind, &mut bytes).unwrap();
        bytes.extend_from_slice(value);
    }
    ResponseFlags::decode(&bytes[..]).unwrap()
}

#[test]
fn every_flag_of_the_log_has_its_bit() {
    for bit in (0..27).chain([28]) {
        assert_eq!(bits(&flags(1 << bit)), 1 << bit);
    }
}

#[test]
fn request_id_hash_equals_that_of_the_filter() {
    let sampled = request_id_hash("0f6f1b4e-2222-9333-8444-555566667777");
    assert_eq!(sampled, request_id_hash("0f6f1b4e-2222-4333-8444-555566667777"));
    assert_ne!(sampled, request_id_hash("0f6f1b4e-2222-4334-8444-555566667777"));
    // The filter's test has the same values: both hashes must agree.
    assert_eq!(request_id_hash(""), 0xe17d_05ac);
    assert_eq!(request_id_hash("a"), 0xb3e6_c7af);
    assert_eq!(request_id_hash("foobar99-x"), 0x0605_0aaa);
    assert_eq!(request_id_hash("0f6f1b4e-2222-9333-8444-555566667777"), 0x0d2c_b82b);
}

#[test]
fn totals_of_a_stream_count_skipped_and_rejected_requests() {
    let message = messages(CAPTURE)[0];
    let mut stream = stream();
    let first = batches(&mut stream, message).unwrap().remove(0);
    let records = first.records.as_ref().unwrap().edge.len() as u64;
    stream.lost(records);
    stream.skip(Skip::Malformed);
    stream.skip(Skip::Upstream);
    let second = batches(&mut stream, message).unwrap().remove(0);
    let ledger = second.ledger.unwrap();
    assert_eq!((second.sequence, ledger.seen_total, ledger.sent_total), (2, 2 * records + 1, records));
    assert_eq!(ledger.dropped[0].count_total, records + 1);
}

#[test]
fn stream_without_identifier_is_rejected() {
    let mut message = Vec::new();
    LogEntries::HttpLogs(HttpAccessLogEntries { log_entry: vec![HttpAccessLogEntry::default()] })
        .encode(&mut message);
    assert_eq!(batches(&mut stream(), &message), Err(super::Error::MissingIdentifier));
    assert_eq!(batches(&mut stream(), b"\xff\xff").unwrap_err(), super::Error::MissingIdentifier);
}

#[test]
fn message_of_many_small_entries_takes_no_more_memory_than_its_bytes() {
    let mut stream = stream();
    batches(&mut stream, messages(CAPTURE)[0]).unwrap();
    // 100,000 entries of two bytes each.
    let mut message = vec![0x12];
    prost::encode_length_delimiter(200_000, &mut message).unwrap();
    message.extend([0x0a, 0x00].repeat(100_000));
    let mut parts = stream.read(&message, NOW_US).unwrap();
    let mut calls = 0;
    while !parts.is_at_end() {
        assert_eq!(parts.next_batch(), Ok(None));
        calls += 1;
    }
    assert_eq!(calls, 98, "1,024 entries in each call");
    assert_eq!(stream.take_skipped()[Skip::Time as usize], 100_000);
}

proptest! {
    /// Batches from arbitrary bytes pass the validator.
    #[test]
    fn arbitrary_bytes_yield_valid_batches(which: prop::sample::Index, index: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let captured = messages(CAPTURE);
        let mut bytes = which.get(&captured).to_vec();
        let at = index.index(bytes.len());
        bytes[at] = byte;
        let cut = cut.index(bytes.len());
        for bytes in [&bytes[..], &bytes[..cut]] {
            let mut stream = stream();
            let Ok(mut batches) = stream.read(bytes, NOW_US) else { continue };
            while let Ok(Some(batch)) = batches.next_batch() {
                validate::rows_fit(&batch.encode_to_vec(), &Limits::default()).unwrap();
                let valid = validate::check(batch, &Limits::default(), NOW_US);
                prop_assert!(valid.is_ok(), "{:?}", valid);
            }
        }
    }
}
