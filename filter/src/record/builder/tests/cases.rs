//! The table of requests that the filter and the access-log intake share.

use super::NOW;
use crate::attributes::fake::FakeAttributes;
use crate::record::outcome::{INVALID_GRPC_STATUS, INVALID_RESPONSE_CODE};
use crate::record::{ConnectionState, KnownConnection, Protocol, Record, RecordBuilder, Reporter};
use serde::Deserialize;
use std::fmt::Write;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CASES: &str = include_str!("../../../../../tests/cases/requests.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    facts: Facts,
    expect: Expected,
}

/// The facts that Envoy has about a request or a connection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    direction: String,
    protocol: Option<String>,
    #[serde(rename = "method")]
    _method: Option<String>,
    authority: Option<String>,
    content_type: Option<String>,
    code: Option<u32>,
    grpc_status_header: Option<String>,
    grpc_status_trailer: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    code_details: Option<String>,
    upstream_cluster: Option<String>,
    sni: Option<String>,
    #[serde(rename = "local_address")]
    _local_address: Option<String>,
    remote_address: Option<String>,
    upstream_address: Option<String>,
    peer_principal: Option<String>,
    local_principal: Option<String>,
    peer_workload: Option<String>,
    peer_namespace: Option<String>,
}

/// The edge and the outcome of the record.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    reporter: String,
    /// `workload.namespace`, else the address, else empty.
    peer: String,
    service_host: String,
    service_port: u32,
    subset: String,
    protocol: String,
    code: String,
    grpc_status: String,
    failed: bool,
}

/// Returns the bit of a response flag, by its short name.
fn flag(name: &str) -> u64 {
    let bit = match name {
        "UH" => 1,
        "UF" => 5,
        "NR" => 8,
        "DC" => 14,
        "NC" => 24,
        "DR" => 28,
        _ => panic!("the bit of {name} is missing here"),
    };
    1 << bit
}

impl Facts {
    fn attributes(&self) -> FakeAttributes {
        let is_inbound = self.direction == "inbound";
        let side = if is_inbound { "connection" } else { "upstream" };
        let mut text = format!("xds.listener_direction = {}\n", if is_inbound { 1 } else { 2 });
        let mut line = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                writeln!(text, "{name} = {value}").unwrap();
            }
        };
        let bits: u64 = self.flags.iter().map(|name| flag(name)).sum();
        line("response.flags", Some(&bits.to_string()));
        line("request.host", self.authority.as_deref());
        line("request.headers.content-type", self.content_type.as_deref());
        line("response.code", self.code.map(|code| code.to_string()).as_deref());
        line("response.headers.grpc-status", self.grpc_status_header.as_deref());
        line("response.trailers.grpc-status", self.grpc_status_trailer.as_deref());
        line("response.code_details", self.code_details.as_deref());
        line("xds.cluster_name", self.upstream_cluster.as_deref());
        line("connection.requested_server_name", self.sni.as_deref());
        line("source.address", self.remote_address.as_deref());
        line("upstream.address", self.upstream_address.as_deref());
        line(&format!("{side}.uri_san_peer_certificate"), self.peer_principal.as_deref());
        line(&format!("{side}.uri_san_local_certificate"), self.local_principal.as_deref());
        // A source has metadata of the endpoint, a destination that of the metadata exchange.
        if is_inbound {
            line("filter_state.downstream_peer_obj.workload", self.peer_workload.as_deref());
            line("filter_state.downstream_peer_obj.namespace", self.peer_namespace.as_deref());
        } else if let (Some(workload), Some(namespace)) = (&self.peer_workload, &self.peer_namespace) {
            line(
                "xds.upstream_host_metadata.filter_metadata.istio.workload",
                Some(&format!("{workload};{namespace};;;")),
            );
        }
        if self.is_tcp() {
            line("upstream.transport_failure_reason", Some(""));
            line("request.time", Some("1700000000000000000"));
            line("response.size", Some("70"));
        } else {
            line("request.duration", Some("1000000"));
            line("request.id", Some("an-id"));
            line("request.total_size", Some("10"));
            line("response.total_size", Some("10"));
            line("upstream.request_attempt_count", Some("1"));
            line("connection.id", Some("7"));
        }
        FakeAttributes::parse(&text)
    }

    fn is_tcp(&self) -> bool {
        self.protocol.as_deref() == Some("TCP")
    }

    fn record(&self, attributes: &FakeAttributes, builder: &mut RecordBuilder) -> Record {
        if !self.is_tcp() {
            return builder.request(attributes, NOW);
        }
        match builder.connection(attributes, KnownConnection::default(), 0, NOW) {
            ConnectionState::Record(record) => record,
            other => panic!("{other:?}"),
        }
    }
}

fn seen(Record { edge, outcome, .. }: &Record) -> Expected {
    let named = |invalid: u32, number: u32| {
        if number == invalid { "invalid".to_owned() } else { number.to_string() }
    };
    let peer = &edge.peer;
    Expected {
        reporter: match edge.reporter {
            Reporter::Source => "source",
            Reporter::Destination => "destination",
            Reporter::Waypoint | Reporter::Unspecified => "other",
        }
        .to_owned(),
        peer: if peer.workload.is_empty() {
            peer.address.clone()
        } else {
            format!("{}.{}", peer.workload, peer.namespace)
        },
        service_host: edge.service.host.clone(),
        service_port: edge.service.port,
        subset: edge.service.subset.clone(),
        protocol: match outcome.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Grpc => "grpc",
            Protocol::Http | Protocol::Unspecified => "http",
        }
        .to_owned(),
        code: named(INVALID_RESPONSE_CODE, outcome.response_code),
        grpc_status: outcome
            .grpc_status
            .map_or_else(|| "none".to_owned(), |status| named(INVALID_GRPC_STATUS, status)),
        failed: outcome.has_failed(),
    }
}

#[test]
fn each_request_of_the_shared_table_has_the_expected_edge_and_outcome() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() >= 25);
    let mut wrong = String::new();
    for Case { name, facts, expect } in &cases {
        let mut builder = RecordBuilder::default();
        let without = facts.attributes().without_expressions();
        // With expressions, from the cache, and attribute by attribute.
        for attributes in [&facts.attributes(), &facts.attributes(), &without] {
            let seen = seen(&facts.record(attributes, &mut builder));
            if seen != *expect {
                writeln!(wrong, "{name}:\n  {seen:?}\n  {expect:?} was expected").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
