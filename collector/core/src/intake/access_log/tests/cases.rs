//! The cases that the filter and the access log read alike: `tests/cases/requests.json`.

use super::{NOW_US, address, certificate, flags};
use crate::batch::{Outcome, flags as known};
use crate::intake::access_log::entry::Entry;
use crate::intake::access_log::node::{self, Client};
use hopscope_proto::envoy::config::core::v3::Node;
use hopscope_proto::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, HttpRequestProperties, HttpResponseProperties,
    TcpAccessLogEntry, TlsProperties,
};
use hopscope_proto::envoy::service::accesslog::v3::stream_access_logs_message::Identifier;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Any, Struct, Timestamp, Value};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

const CASES: &str = include_str!("../../../../../../tests/cases/requests.json");
/// Own address of a caller.
const CALLER: &str = "10.244.0.3";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    facts: Facts,
    expect: Expect,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Facts {
    direction: String,
    protocol: String,
    /// Not needed by an access log.
    method: String,
    authority: String,
    content_type: Option<String>,
    code: Option<u32>,
    grpc_status_header: Option<String>,
    grpc_status_trailer: Option<String>,
    flags: Vec<String>,
    code_details: String,
    upstream_cluster: String,
    sni: String,
    local_address: String,
    remote_address: String,
    upstream_address: String,
    peer_principal: String,
    local_principal: String,
    peer_workload: String,
    peer_namespace: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    reporter: String,
    peer: String,
    service_host: String,
    service_port: u32,
    subset: String,
    protocol: String,
    code: String,
    grpc_status: String,
    failed: bool,
}

/// Returns the client whose entry it is: an Istio proxy that does not declare its reporter.
fn client(facts: &Facts) -> Client {
    let kind = if facts.direction == "gateway" { "router" } else { "sidecar" };
    let own = facts.local_address.rsplit_once(':').map_or(CALLER, |(host, _)| host);
    let node = Node { id: format!("{kind}~{own}~pod.shop~shop.svc.cluster.local"), ..Node::default() };
    let identifier = Identifier { node: Some(node), log_name: "hopscope".into() };
    node::read(&identifier.encode_to_vec(), "").unwrap()
}

fn socket(text: &str) -> Option<hopscope_proto::envoy::config::core::v3::Address> {
    let (host, port) = text.rsplit_once(':')?;
    address(host, port.parse().unwrap())
}

fn common(facts: &Facts) -> AccessLogCommon {
    let bits = facts.flags.iter().map(|name| 1 << known::find(name).unwrap().bit).sum();
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
    let peer = Struct {
        fields: BTreeMap::from([
            ("workload".into(), text(&facts.peer_workload)),
            ("namespace".into(), text(&facts.peer_namespace)),
        ]),
    };
    let peer =
        Any { type_url: "type.googleapis.com/google.protobuf.Struct".into(), value: peer.encode_to_vec() };
    let key = if facts.direction == "inbound" { "downstream_peer" } else { "upstream_peer" };
    let is_inbound = facts.direction == "inbound";
    AccessLogCommon {
        downstream_remote_address: socket(&facts.remote_address),
        downstream_local_address: socket(&facts.local_address),
        tls_properties: Some(TlsProperties {
            tls_sni_hostname: facts.sni.clone().into(),
            local_certificate_properties: certificate(&facts.local_principal).filter(|_| is_inbound),
            peer_certificate_properties: certificate(&facts.peer_principal).filter(|_| is_inbound),
        }),
        start_time: Some(Timestamp { seconds: (NOW_US / 1_000_000).cast_signed(), nanos: 0 }),
        upstream_remote_address: socket(&facts.upstream_address),
        upstream_cluster: facts.upstream_cluster.clone().into(),
        response_flags: Some(flags(bits)),
        filter_state_objects: HashMap::from([(key.into(), peer)]),
        access_log_type: AccessLogType::NotSet.into(),
        ..AccessLogCommon::default()
    }
}

/// Reads the entry that Envoy writes for these facts.
fn entry(facts: &Facts) -> Entry {
    let (client, common) = (client(facts), common(facts));
    if facts.protocol == "TCP" {
        let entry = TcpAccessLogEntry { common_properties: Some(common), ..TcpAccessLogEntry::default() };
        return Entry::tcp(&entry.encode_to_vec(), &client, NOW_US).unwrap();
    }
    let header = |name: &str, value: &Option<String>| -> HashMap<String, Vec<u8>> {
        value.iter().map(|value| (name.to_owned(), value.clone().into())).collect()
    };
    let entry = HttpAccessLogEntry {
        common_properties: Some(common),
        request: Some(HttpRequestProperties {
            authority: facts.authority.clone().into(),
            request_headers: header("content-type", &facts.content_type),
            ..HttpRequestProperties::default()
        }),
        response: Some(HttpResponseProperties {
            response_code: facts.code,
            response_headers: header("grpc-status", &facts.grpc_status_header),
            response_trailers: header("grpc-status", &facts.grpc_status_trailer),
            response_code_details: facts.code_details.clone().into(),
            ..HttpResponseProperties::default()
        }),
    };
    Entry::http(&entry.encode_to_vec(), &client, NOW_US).unwrap()
}

fn found(entry: &Entry) -> Expect {
    let outcome =
        Outcome { response_code: entry.response_code, grpc_status: entry.grpc_status, ..Outcome::default() };
    let (peer, service) = (&entry.peer, &entry.service);
    let lower = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap().to_lowercase();
    Expect {
        reporter: lower(entry.reporter.as_str_name(), "REPORTER_"),
        peer: match peer.workload.as_str() {
            "" => entry.peer_address.clone(),
            workload => format!("{workload}.{}", peer.namespace),
        },
        service_host: service.host.clone(),
        service_port: service.port,
        subset: service.subset.clone(),
        protocol: lower(entry.protocol.as_str_name(), "PROTOCOL_"),
        code: outcome.code_label(),
        grpc_status: entry.grpc_status.map_or("none".to_owned(), |_| outcome.grpc_label()),
        failed: entry.has_failed(),
    }
}

#[test]
fn an_access_log_is_read_like_the_attributes_of_the_filter() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() >= 25);
    for Case { name, facts, expect } in cases {
        assert_eq!(found(&entry(&facts)), expect, "{name}");
    }
}
