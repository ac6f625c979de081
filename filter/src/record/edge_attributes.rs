//! Edges from the attributes of a request or connection.

use super::edge::{Edge, Peer, Reporter, named_revision};
use super::service;
use super::stream_info::StreamInfo;
use super::truncate::truncated;
use crate::attributes::{Attribute, Attributes, Expression, Prefetched};

/// Reads the edge of a request or connection.
pub(super) fn read_edge(attributes: &impl Attributes, info: &StreamInfo) -> Edge {
    let cluster = (Attribute::ClusterName, info.cluster);
    if info.is_destination {
        let result = attributes.evaluate(Expression::DestinationEdge);
        let known = [cluster, (Attribute::SourceAddress, info.address)];
        let result = result.as_deref();
        destination_edge(&Prefetched::new(attributes, Expression::DestinationEdge, result, &known))
    } else {
        let result = attributes.evaluate(Expression::SourceEdge);
        let known = [cluster, (Attribute::UpstreamAddress, info.address)];
        source_edge(&Prefetched::new(attributes, Expression::SourceEdge, result.as_deref(), &known))
    }
}

/// Reads the edge of an in-flight request. Envoy's callback is not about the request, so that its
/// headers are not available.
pub fn in_flight_edge(attributes: &impl Attributes) -> Edge {
    let bytes = |attribute| attributes.bytes(attribute).unwrap_or_default();
    let is_destination = attributes.number(Attribute::ListenerDirection) == Some(1);
    let address = if is_destination { Attribute::SourceAddress } else { Attribute::UpstreamAddress };
    let (cluster, address) = (bytes(Attribute::ClusterName), bytes(address));
    let info = StreamInfo { is_destination, cluster: &cluster, address: &address, ..StreamInfo::default() };
    read_edge(attributes, &info)
}

fn source_edge(attributes: &impl Attributes) -> Edge {
    let endpoint = text(attributes, Attribute::EndpointWorkload);
    let mut endpoint = endpoint.split(';').map(truncated);
    let mut next = || endpoint.next().unwrap_or_default();
    let peer = Peer {
        workload: next(),
        namespace: next(),
        canonical_service: next(),
        canonical_revision: named_revision(&next()).to_owned(),
        cluster: next(),
        app: String::new(),
        version: String::new(),
        address: address(&text(attributes, Attribute::UpstreamAddress)),
        principal: truncated_text(attributes, Attribute::UpstreamPeerPrincipal),
    };
    let local_principal = truncated_text(attributes, Attribute::UpstreamLocalPrincipal);
    Edge {
        reporter: Reporter::Source,
        mutual_tls: !peer.principal.is_empty() && !local_principal.is_empty(),
        peer,
        local_principal,
        service: service::truncated_service(&service::of_source(attributes)),
    }
}

fn destination_edge(attributes: &impl Attributes) -> Edge {
    let peer = Peer {
        address: address(&text(attributes, Attribute::SourceAddress)),
        principal: truncated_text(attributes, Attribute::ConnectionPeerPrincipal),
        ..Peer::default()
    };
    let local_principal = truncated_text(attributes, Attribute::ConnectionLocalPrincipal);
    Edge {
        reporter: Reporter::Destination,
        mutual_tls: !peer.principal.is_empty() && !local_principal.is_empty(),
        peer,
        local_principal,
        service: service::truncated_service(&service::of_destination(attributes)),
    }
}

#[inline(never)]
fn text(attributes: &impl Attributes, attribute: Attribute) -> String {
    attributes.text(attribute).unwrap_or_default()
}

#[inline(never)]
fn truncated_text(attributes: &impl Attributes, attribute: Attribute) -> String {
    truncated(&text(attributes, attribute))
}

/// Returns the address without its port; empty where the port is 0. With a forwarded-for header,
/// Envoy reports the client's address with port 0, which would name the wrong peer.
fn address(address_and_port: &str) -> String {
    match service::split_port(address_and_port) {
        (_, 0) => String::new(),
        (host, _) => {
            truncated(host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
        }
    }
}
