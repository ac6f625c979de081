//! What one proxy knows of one finished request, made of what Envoy says.
//!
//! In: the attributes at the end of a request, and the clock. Out: a [`Record`]. Always holds: exactly one record per
//! call, whatever is missing; what only explains a failure is read only on failure.

use crate::attributes::attribute::{Attribute, Attributes};
use crate::attributes::expression::{FAILURE_VALUES, Question};
use crate::attributes::prefetched::Told;
use crate::attributes::values::Answer;
use crate::record::edge_cache::{Known, Memo, Name};
use crate::record::peer_metadata::Exchange;
use crate::record::record::{
    DURATION_US_MAX, Edge, Measure, Messages, Outcome, Peer, Protocol, Record, Reporter, Why, bounded,
};
use crate::record::service::{self, Service};
use crate::record::stream_info::{Asking, Facts, Grpc};
use crate::text::hash::request_id_hash;
use std::rc::Rc;

mod connection;
mod waypoint;

pub use connection::Seen;

/// What making records needs to know of those before.
#[derive(Debug, Default)]
pub struct Observer {
    asking: Asking,
    memo: Memo,
    exchange: Exchange,
    /// That of connections, which Istio leads over other ways than that of requests.
    connection_exchange: Exchange,
    is_waypoint: bool,
}

impl Observer {
    /// Whether the proxy is an Istio waypoint.
    pub fn at_waypoint(&mut self, is_waypoint: bool) {
        self.is_waypoint = is_waypoint;
    }

    /// Makes the record of the request that just ended. `now_us`: microseconds since the Unix epoch.
    pub fn observe(&mut self, attributes: &impl Attributes, now_us: u64) -> Record {
        let answer = self.asking.ask(attributes);
        let facts = Facts::read(&answer);
        let edge = self.edge(attributes, &facts, now_us);
        let outcome = outcome(attributes, &facts);
        let measure = measure(attributes, &facts, now_us);
        let messages = messages(attributes, &facts);
        attributes.give_back(answer);
        Record { edge, outcome, measure, messages }
    }

    /// See [`Asking::fallbacks`].
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.asking.fallbacks()
    }

    fn edge(&mut self, attributes: &impl Attributes, facts: &Facts, now_us: u64) -> Rc<Edge> {
        if self.is_waypoint {
            return self.waypoint_edge(attributes, facts, now_us);
        }
        let name = Name::new(facts, b"");
        if facts.is_destination {
            return match self.memo.look_up(&name, now_us) {
                Some(Known::Edge(edge)) => edge,
                _ => {
                    let edge = self.ask_edge(attributes, facts);
                    self.remembered(&name, edge, now_us)
                }
            };
        }
        if facts.response_flags != 0 || facts.address.is_empty() {
            return Rc::new(self.ask_edge(attributes, facts));
        }
        match self.memo.look_up(&name, now_us) {
            Some(Known::Edge(edge)) => return edge,
            Some(Known::ByAuthority) => {}
            None => {
                let edge = self.ask_edge(attributes, facts);
                if edge.service.is_named_without_the_request() {
                    return self.remembered(&name, edge, now_us);
                }
                self.memo.remember(&name, Known::ByAuthority, now_us);
                return Rc::new(edge);
            }
        }
        let authority = attributes.evaluate(Question::Authority);
        let authority = authority.unwrap_or_else(|| Question::Authority.ask_one_by_one(attributes));
        let name = Name::new(facts, &authority);
        match self.memo.look_up(&name, now_us) {
            Some(Known::Edge(edge)) => edge,
            _ => {
                let edge = self.ask_edge(attributes, facts);
                self.remembered(&name, edge, now_us)
            }
        }
    }

    fn ask_edge(&mut self, attributes: &impl Attributes, facts: &Facts) -> Edge {
        let mut edge = ask_edge(attributes, facts);
        // Who was called is learnt from its answer.
        if facts.is_destination || facts.response_flags == 0 {
            self.exchange.complete(&mut edge, attributes);
        }
        edge
    }

    fn remembered(&mut self, name: &Name<'_>, edge: Edge, now_us: u64) -> Rc<Edge> {
        let edge = Rc::new(edge);
        self.memo.remember(name, Known::Edge(Rc::clone(&edge)), now_us);
        edge
    }
}

fn ask_edge(attributes: &impl Attributes, facts: &Facts) -> Edge {
    let cluster = (Attribute::ClusterName, facts.cluster);
    if facts.is_destination {
        let answer = attributes.evaluate(Question::DestinationEdge);
        let known = [cluster, (Attribute::SourceAddress, facts.address)];
        destination_edge(&Told::new(attributes, Question::DestinationEdge, answer.as_deref(), &known))
    } else {
        let answer = attributes.evaluate(Question::SourceEdge);
        let known = [cluster, (Attribute::UpstreamAddress, facts.address)];
        source_edge(&Told::new(attributes, Question::SourceEdge, answer.as_deref(), &known))
    }
}

/// The edge of a request that has not ended, with which Envoy was made to be concerned: it knows its headers no more.
pub fn open_edge(attributes: &impl Attributes) -> Edge {
    let bytes = |attribute| attributes.bytes(attribute).unwrap_or_default();
    let is_destination = attributes.number(Attribute::ListenerDirection) == Some(1);
    let address = if is_destination { Attribute::SourceAddress } else { Attribute::UpstreamAddress };
    let (cluster, address) = (bytes(Attribute::ClusterName), bytes(address));
    let facts = Facts { is_destination, cluster: &cluster, address: &address, ..Facts::default() };
    ask_edge(attributes, &facts)
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

fn outcome(attributes: &impl Attributes, facts: &Facts) -> Outcome {
    let mut outcome = Outcome {
        response_code: facts.response_code,
        response_flags: facts.response_flags,
        grpc_status: if let Grpc::Ended(status) = facts.grpc { Some(status) } else { None },
        protocol: if facts.grpc == Grpc::No { Protocol::Http } else { Protocol::Grpc },
        ..Outcome::default()
    };
    if outcome.has_failed() {
        let answer = attributes.evaluate(Question::Failure);
        let answer = answer.unwrap_or_else(|| Question::Failure.ask_one_by_one(attributes));
        if let Some(mut answer) = Answer::read(&answer, FAILURE_VALUES) {
            outcome.why = Why::new(answer.bytes(), answer.bytes());
        }
    }
    outcome
}

fn measure(attributes: &impl Attributes, facts: &Facts, now_us: u64) -> Measure {
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
    Measure {
        start_us,
        duration_us,
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
        request_id_hash: if facts.request_id.is_empty() { 0 } else { request_id_hash(facts.request_id) },
        attempts: facts.attempts,
    }
}

fn messages(attributes: &impl Attributes, facts: &Facts) -> Messages {
    match facts.grpc {
        Grpc::No => Messages::default(),
        _ => Messages::read(&attributes.text(Attribute::GrpcMessages).unwrap_or_default()),
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
