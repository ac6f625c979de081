//! Rules that the common cases do not cover: texts that are not UTF-8, peers, long durations.

use super::*;
use hopscope_proto::envoy::data::accesslog::v3::TcpAccessLogEntry;
use hopscope_proto::envoy::service::accesslog::v3::stream_access_logs_message::TcpAccessLogEntries;
use prost_types::value::Kind;
use prost_types::{Any, Struct, Value};
use std::collections::BTreeMap;

fn tag(name: &str, value: &[u8]) -> impl Fn(&mut HttpAccessLogEntry) {
    move |entry| {
        common(entry).custom_tags.insert(name.into(), value.into());
    }
}

#[test]
fn bytes_that_are_not_utf_8_hide_no_request() {
    let line = |change: &dyn Fn(&mut HttpAccessLogEntry)| {
        let line = one("hopscope-outbound", "e", |entry| change(entry));
        assert!(line.starts_with("source http"), "{line}");
        line
    };
    line(&tag("any", b"\xff\xfe"));
    assert!(line(&tag("hopscope.endpoint_workload", b"pay\xff;shop")).contains("pay\u{fffd}"));
    line(&|entry| entry.request.get_or_insert_default().authority = b"\xff.example".into());
    line(&|entry| entry.request.get_or_insert_default().request_id = b"\xff".into());
    line(&|entry| {
        entry.request.get_or_insert_default().request_headers.insert("content-type".into(), b"\xff".into());
    });
    line(&|entry| entry.response.as_mut().unwrap().response_code_details = b"\xff".into());
    line(&|entry| {
        common(entry).tls_properties =
            Some(TlsProperties { tls_sni_hostname: b"\xff".into(), ..TlsProperties::default() });
    });
    line(&|entry| common(entry).upstream_transport_failure_reason = b"\xff".into());
}

/// Returns the line of an entry with an object of the filter state.
fn peer(log_name: &str, key: &str, fields: &[(&str, &str)]) -> String {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
    let mut object = Struct::default();
    for (name, value) in fields {
        match name.strip_prefix("LABELS.") {
            Some(label) => {
                let labels = object.fields.entry("LABELS".into()).or_insert_with(|| Value {
                    kind: Some(Kind::StructValue(Struct { fields: BTreeMap::new() })),
                });
                if let Some(Kind::StructValue(labels)) = &mut labels.kind {
                    labels.fields.insert(label.into(), text(value));
                }
            }
            None => drop(object.fields.insert((*name).into(), text(value))),
        }
    }
    let type_url = "type.googleapis.com/google.protobuf.Struct".into();
    let object = Any { type_url, value: object.encode_to_vec() };
    let line = one(log_name, "e", |entry| {
        common(entry).filter_state_objects.insert(key.into(), object);
        common(entry).custom_tags.insert("hopscope.endpoint_workload".into(), b"by-endpoint;shop".into());
    });
    line.split(['[', ']']).nth(1).unwrap().to_owned()
}

#[test]
fn a_peer_names_itself_by_the_metadata_exchange() {
    let fields = [("workload", "pay-v2"), ("namespace", "shop"), ("version", "v2")];
    assert_eq!(peer("x-inbound", "downstream_peer", &fields), "pay-v2 v2 ");
    assert_eq!(peer("x-inbound", "downstream_peer_obj", &fields), "pay-v2 v2 ");
    assert_eq!(peer("x-outbound", "upstream_peer", &fields), "pay-v2 v2 ");
    let node = [("WORKLOAD_NAME", "pay-v1"), ("NAMESPACE", "shop"), ("LABELS.version", "v1")];
    assert_eq!(peer("x-inbound", "downstream_peer", &node), "pay-v1 v1 ");
    // Metadata of the other side, or of nothing, does not count.
    assert_eq!(peer("x-inbound", "upstream_peer", &fields), "  ");
    assert_eq!(peer("x-outbound", "upstream_peer", &[("other", "x")]), "by-endpoint  ");
}

#[test]
fn a_request_of_more_than_a_week_is_counted_with_the_longest_duration() {
    let week_ms = 7 * 24 * 3_600 * 1_000 - 1;
    let days = 8 * 24 * 3_600;
    let long = |common: &mut AccessLogCommon| {
        common.start_time.as_mut().unwrap().seconds -= days;
        common.duration = Some(prost_types::Duration { seconds: days, nanos: 0 });
    };
    let line = one("x-outbound", "e", |entry| {
        long(common(entry));
        entry.response.as_mut().unwrap().response_code = Some(101);
    });
    assert!(line.contains(&format!("101 0x0 None  {week_ms}ms")), "{line}");

    let mut common = AccessLogCommon {
        start_time: Some(prost_types::Timestamp { seconds: 1_795_625_120, nanos: 0 }),
        access_log_type: AccessLogType::TcpConnectionEnd.into(),
        ..AccessLogCommon::default()
    };
    long(&mut common);
    let entry = TcpAccessLogEntry { common_properties: Some(common), ..TcpAccessLogEntry::default() };
    let message = StreamAccessLogsMessage {
        identifier: Some(Identifier { node: Some(Node::default()), log_name: "x-outbound".into() }),
        log_entries: Some(LogEntries::TcpLogs(TcpAccessLogEntries { log_entry: vec![entry] })),
    };
    let batch = batches(&mut stream(), &message.encode_to_vec()).unwrap().remove(0);
    let valid = validate::check(batch, &Limits::default(), NOW_US).unwrap();
    let closed = valid.connections.closed[0];
    assert_eq!((closed.duration_us / 1_000, valid.moved), (week_ms, 0));
    assert_eq!((closed.start_us + closed.duration_us) / 1_000_000, 1_795_625_120, "the end stays");
}

#[test]
fn an_impossible_time_moves_only_its_own_request() {
    let start = |seconds| {
        let mut entries = vec![HttpAccessLogEntry::default(); 3];
        for (entry, seconds) in entries.iter_mut().zip([seconds, 1_795_625_120, 1_795_625_121]) {
            entry.common_properties = Some(AccessLogCommon {
                start_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
                duration: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
                ..AccessLogCommon::default()
            });
        }
        let message = StreamAccessLogsMessage {
            identifier: Some(Identifier { node: Some(Node::default()), log_name: "x".into() }),
            log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries { log_entry: entries })),
        };
        let batch = batches(&mut stream(), &message.encode_to_vec()).unwrap().remove(0);
        let valid = validate::check(batch, &Limits::default(), NOW_US).unwrap();
        let starts = valid.records.iter().map(|record| (record.start_us / 1_000_000).to_string());
        format!("{}, moved {}", starts.collect::<Vec<_>>().join(" "), valid.moved)
    };
    assert_eq!(start(i64::MAX), "1795625129 1795625120 1795625121, moved 1");
    assert_eq!(start(-1), "1795538729 1795625120 1795625121, moved 1");
}

#[test]
fn a_waypoint_names_the_service_and_subset_behind_it() {
    let line = one("x", "waypoint~10.0.0.1~wp.shop~shop.svc", |entry| {
        common(entry).upstream_cluster = b"inbound-vip|8080|http/v2|pay.shop.svc.cluster.local;".into();
    });
    assert!(line.starts_with("waypoint http pay.shop.svc.cluster.local ["), "{line}");
}

#[test]
fn in_plain_text_the_addresses_show_the_reporter() {
    let reporter = |local: &str, remote: &str| {
        let line = one("x", "sidecar~10.0.0.7~pay.shop~shop.svc", |entry| {
            common(entry).downstream_local_address = address(local, 8_080);
            common(entry).downstream_direct_remote_address = address(remote, 5_555);
            entry.response.as_mut().unwrap().response_code = Some(403);
        });
        line.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(reporter("10.0.0.7", "10.244.9.9"), "destination");
    // The application's own calls.
    assert_eq!(reporter("10.96.0.9", "10.0.0.7"), "source", "redirected");
    assert_eq!(reporter("10.0.0.7", "10.0.0.7"), "source", "to a listener of the proxy");
    assert_eq!(reporter("10.0.0.7", "127.0.0.1"), "source");
    assert_eq!(reporter("10.0.0.7", ""), "source");
    assert_eq!(reporter("", "10.244.9.9"), "source");
}
