//! What one proxy knows of one finished request, made of what Envoy says.
//!
//! In: the attributes at the end of a request, and the clock. Out: a [`Record`]. Always holds: exactly one record per
//! call, whatever is missing; what only explains a failure is read only on failure.

use crate::attributes::Values;
use crate::attributes::{Attribute, Attributes};
use crate::attributes::{Expression, FAILURE_VALUES};
use crate::attributes::{Prefetched, evaluate_each};
use crate::record::edge_cache::{CacheKey, Cached, EdgeCache};
use crate::record::peer_metadata::PeerMetadata;
use crate::record::record::{
    DURATION_US_MAX, Edge, FailureReason, MessageCounts, Outcome, Peer, Protocol, Record, Reporter,
    RequestStats, bounded,
};
use crate::record::service::{self, Service};
use crate::record::stream_info::{Evaluator, Grpc, StreamInfo};
use crate::text::hash::request_id_hash;
use std::rc::Rc;

mod connection;
mod waypoint;

pub use connection::ConnectionState;

/// What making records needs to know of those before.
#[derive(Debug, Default)]
pub struct RecordBuilder {
    asking: Evaluator,
    memo: EdgeCache,
    exchange: PeerMetadata,
    /// That of connections, which Istio leads over other ways than that of requests.
    connection_exchange: PeerMetadata,
    is_waypoint: bool,
}

impl RecordBuilder {
    /// Whether the proxy is an Istio waypoint.
    pub fn set_waypoint(&mut self, is_waypoint: bool) {
        self.is_waypoint = is_waypoint;
    }

    /// Makes the record of the request that just ended. `now_us`: microseconds since the Unix epoch.
    pub fn observe(&mut self, attributes: &impl Attributes, now_us: u64) -> Record {
        let answer = self.asking.ask(attributes);
        let facts = StreamInfo::read(&answer);
        let edge = self.edge(attributes, &facts, now_us);
        let outcome = outcome(attributes, &facts);
        let stats = stats(attributes, &facts, now_us);
        let messages = messages(attributes, &facts);
        attributes.recycle(answer);
        Record { edge, outcome, stats, messages }
    }

    /// See [`Evaluator::fallbacks`].
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.asking.fallbacks()
    }

    fn edge(&mut self, attributes: &impl Attributes, facts: &StreamInfo, now_us: u64) -> Rc<Edge> {
        if self.is_waypoint {
            return self.waypoint_edge(attributes, facts, now_us);
        }
        let name = CacheKey::new(facts, b"");
        if facts.is_destination {
            return match self.memo.look_up(&name, now_us) {
                Some(Cached::Edge(edge)) => edge,
                _ => {
                    let edge = self.read_edge(attributes, facts);
                    self.remembered(&name, edge, now_us)
                }
            };
        }
        if facts.response_flags != 0 || facts.address.is_empty() {
            return Rc::new(self.read_edge(attributes, facts));
        }
        match self.memo.look_up(&name, now_us) {
            Some(Cached::Edge(edge)) => return edge,
            Some(Cached::ByAuthority) => {}
            None => {
                let edge = self.read_edge(attributes, facts);
                if edge.service.is_named_without_the_request() {
                    return self.remembered(&name, edge, now_us);
                }
                self.memo.remember(&name, Cached::ByAuthority, now_us);
                return Rc::new(edge);
            }
        }
        let authority = attributes.evaluate(Expression::Authority);
        let authority = authority.unwrap_or_else(|| evaluate_each(Expression::Authority, attributes));
        let name = CacheKey::new(facts, &authority);
        match self.memo.look_up(&name, now_us) {
            Some(Cached::Edge(edge)) => edge,
            _ => {
                let edge = self.read_edge(attributes, facts);
                self.remembered(&name, edge, now_us)
            }
        }
    }

    fn read_edge(&mut self, attributes: &impl Attributes, facts: &StreamInfo) -> Edge {
        let mut edge = read_edge(attributes, facts);
        // Who was called is learnt from its answer.
        if facts.is_destination || facts.response_flags == 0 {
            self.exchange.complete(&mut edge, attributes);
        }
        edge
    }

    fn remembered(&mut self, name: &CacheKey<'_>, edge: Edge, now_us: u64) -> Rc<Edge> {
        let edge = Rc::new(edge);
        self.memo.remember(name, Cached::Edge(Rc::clone(&edge)), now_us);
        edge
    }
}

fn read_edge(attributes: &impl Attributes, facts: &StreamInfo) -> Edge {
    let cluster = (Attribute::ClusterName, facts.cluster);
    if facts.is_destination {
        let answer = attributes.evaluate(Expression::DestinationEdge);
        let known = [cluster, (Attribute::SourceAddress, facts.address)];
        destination_edge(&Prefetched::new(attributes, Expression::DestinationEdge, answer.as_deref(), &known))
    } else {
        let answer = attributes.evaluate(Expression::SourceEdge);
        let known = [cluster, (Attribute::UpstreamAddress, facts.address)];
        source_edge(&Prefetched::new(attributes, Expression::SourceEdge, answer.as_deref(), &known))
    }
}

/// The edge of a request that has not ended, with which Envoy was made to be concerned: it knows its headers no more.
pub fn in_flight_edge(attributes: &impl Attributes) -> Edge {
    let bytes = |attribute| attributes.bytes(attribute).unwrap_or_default();
    let is_destination = attributes.number(Attribute::ListenerDirection) == Some(1);
    let address = if is_destination { Attribute::SourceAddress } else { Attribute::UpstreamAddress };
    let (cluster, address) = (bytes(Attribute::ClusterName), bytes(address));
    let facts = StreamInfo { is_destination, cluster: &cluster, address: &address, ..StreamInfo::default() };
    read_edge(attributes, &facts)
}

fn source_edge(attributes: &impl Attributes) -> Edge {
    let endpoint = text(attributes, Attribute::EndpointWorkload);
    let mut endpoint = endpoint.split(';').map(bounded);
    let mut next = || endpoint.next().unwrap_or_default();
    let peer = Peer {
        workload: next(),
        namespace: next(),
        canonical_service: next(),
        canonical_revision: next(),
        cluster: next(),
        app: String::new(),
        version: String::new(),
        address: address(&text(attributes, Attribute::UpstreamAddress)),
        principal: bounded_text(attributes, Attribute::UpstreamPeerPrincipal),
    };
    let local_principal = bounded_text(attributes, Attribute::UpstreamLocalPrincipal);
    Edge {
        reporter: Reporter::Source,
        mutual_tls: !peer.principal.is_empty() && !local_principal.is_empty(),
        peer,
        local_principal,
        service: bounded_service(&service::of_source(attributes)),
    }
}

fn destination_edge(attributes: &impl Attributes) -> Edge {
    let peer = Peer {
        address: address(&text(attributes, Attribute::SourceAddress)),
        principal: bounded_text(attributes, Attribute::ConnectionPeerPrincipal),
        ..Peer::default()
    };
    let local_principal = bounded_text(attributes, Attribute::ConnectionLocalPrincipal);
    Edge {
        reporter: Reporter::Destination,
        mutual_tls: !peer.principal.is_empty() && !local_principal.is_empty(),
        peer,
        local_principal,
        service: bounded_service(&service::of_destination(attributes)),
    }
}

#[inline(never)]
fn text(attributes: &impl Attributes, attribute: Attribute) -> String {
    attributes.text(attribute).unwrap_or_default()
}

#[inline(never)]
fn bounded_text(attributes: &impl Attributes, attribute: Attribute) -> String {
    bounded(&text(attributes, attribute))
}

fn outcome(attributes: &impl Attributes, facts: &StreamInfo) -> Outcome {
    let mut outcome = Outcome {
        response_code: facts.response_code,
        response_flags: facts.response_flags,
        grpc_status: if let Grpc::Ended(status) = facts.grpc { Some(status) } else { None },
        protocol: if facts.grpc == Grpc::No { Protocol::Http } else { Protocol::Grpc },
        ..Outcome::default()
    };
    if outcome.has_failed() {
        let answer = attributes.evaluate(Expression::Failure);
        let answer = answer.unwrap_or_else(|| evaluate_each(Expression::Failure, attributes));
        if let Some(mut answer) = Values::read(&answer, FAILURE_VALUES) {
            outcome.failure = FailureReason::new(answer.bytes(), answer.bytes());
        }
    }
    outcome
}

fn stats(attributes: &impl Attributes, facts: &StreamInfo, now_us: u64) -> RequestStats {
    // Envoy's clock of a duration is monotonic and ends now; only connections have none.
    let (start_us, duration_us) = match facts.duration_ns {
        Some(duration_ns) => {
            let duration_us = (duration_ns / 1_000).min(DURATION_US_MAX);
            (now_us.saturating_sub(duration_us), duration_us)
        }
        None => {
            let start_us = attributes.number(Attribute::RequestTime).map_or(now_us, |ns| ns / 1_000);
            (start_us, now_us.saturating_sub(start_us))
        }
    };
    RequestStats {
        start_us,
        duration_us,
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
        request_id_hash: if facts.request_id.is_empty() { 0 } else { request_id_hash(facts.request_id) },
        attempts: facts.attempts,
    }
}

fn messages(attributes: &impl Attributes, facts: &StreamInfo) -> MessageCounts {
    match facts.grpc {
        Grpc::No => MessageCounts::default(),
        _ => MessageCounts::read(&attributes.text(Attribute::GrpcMessages).unwrap_or_default()),
    }
}

/// The address without its port, or nothing where the port is 0: behind a forwarded-for header Envoy gives the client's
/// address with port 0, and naming a peer by it would name the wrong one.
fn address(address_and_port: &str) -> String {
    match service::split_port(address_and_port) {
        (_, 0) => String::new(),
        (host, _) => bounded(host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)),
    }
}

fn bounded_service(service: &Service) -> Service {
    Service {
        host: bounded(&service.host),
        name: bounded(&service.name),
        namespace: bounded(&service.namespace),
        subset: bounded(&service.subset),
        ..*service
    }
}

#[cfg(test)]
mod tests;
