//! What one proxy knows of one TCP connection.
//!
//! In: the attributes of a connection, closed or not, and the clock. Out: what was [`ConnectionState`] of it. Always holds: a
//! connection whose requests are records is none itself; of a connection that has just begun, between whom it is is neither
//! told nor remembered, since nobody has shown a certificate yet.
//!
//! Istio puts a NETWORK plugin before HTTP connection managers, too. TCP's proxy makes room for what it will learn of its
//! upstream when it is set up, so `upstream.transport_failure_reason` is there, be it empty, also where there is no cluster
//! (NC), no endpoint (UH) or no room (UO); before a connection manager it never is. The cluster alone tells too little.

use super::{RecordBuilder, read_edge};
use crate::attributes::{Attribute, Attributes};
use crate::attributes::{CONNECTION_VALUES, Expression};
use crate::attributes::{Values, evaluate_each};
use crate::record::record::{
    DURATION_US_MAX, Edge, FailureReason, MessageCounts, Outcome, Protocol, Record, RequestStats, bounded,
};
use crate::record::service::ServiceEvidence;
use crate::record::stream_info::StreamInfo;
use std::rc::Rc;

/// What was seen of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Its requests are told, not itself.
    CarriesHttp,
    /// It has just begun.
    NotEstablished,
    /// Its record, with all of its bytes so far.
    Record(Record),
}

impl RecordBuilder {
    /// Makes the record of a connection. `edge`: between whom it is, where that is known. `young_us`: of an open connection
    /// how long it counts as young while no bytes show that it has come to be; 0 of one that has closed. `now_us`:
    /// microseconds since the Unix epoch.
    pub fn connection(
        &mut self,
        attributes: &impl Attributes,
        edge: Option<Rc<Edge>>,
        young_us: u64,
        now_us: u64,
    ) -> ConnectionState {
        let answer = attributes.evaluate(Expression::Connection);
        let answer = answer.unwrap_or_else(|| evaluate_each(Expression::Connection, attributes));
        let Some(mut answer) = Values::read(&answer, CONNECTION_VALUES) else {
            return ConnectionState::CarriesHttp;
        };
        // The order is that of the question.
        let is_destination = answer.number() == 1;
        if answer.number() == 0 {
            return ConnectionState::CarriesHttp;
        }
        let start_us = u64::try_from(answer.number()).map_or(now_us, |ns| ns / 1_000);
        let mut number = || u64::try_from(answer.number()).unwrap_or(0);
        let (response_flags, request_bytes, response_bytes) = (number(), number(), number());
        let (cluster, upstream, downstream) = (answer.bytes(), answer.bytes(), answer.bytes());
        let reason = answer.bytes();
        let attempts = u32::try_from(answer.number()).unwrap_or(0);
        let facts = StreamInfo {
            is_destination,
            response_flags,
            cluster,
            address: if is_destination { downstream } else { upstream },
            connection: u64::try_from(answer.number()).unwrap_or(0),
            ..StreamInfo::default()
        };
        // A caller's bytes wait in the proxy until somebody is reached; an answer has come through TLS on both sides.
        let has_come_to_be = response_bytes > 0 || is_destination && request_bytes > 0;
        let age_us = now_us.saturating_sub(start_us);
        if !has_come_to_be && age_us < young_us {
            return ConnectionState::NotEstablished;
        }
        let edge = edge.unwrap_or_else(|| {
            std::mem::swap(&mut self.exchange, &mut self.connection_exchange);
            let edge = self.connection_edge(attributes, &facts, has_come_to_be, now_us);
            std::mem::swap(&mut self.exchange, &mut self.connection_exchange);
            edge
        });
        let outcome = Outcome {
            response_flags,
            protocol: Protocol::Tcp,
            failure: FailureReason::new(b"", reason),
            ..Outcome::default()
        };
        let duration_us = age_us.min(DURATION_US_MAX);
        let start_us = now_us.saturating_sub(duration_us);
        let stats = RequestStats {
            start_us,
            duration_us,
            request_bytes,
            response_bytes,
            attempts,
            ..RequestStats::default()
        };
        ConnectionState::Record(Record { edge, outcome, stats, messages: MessageCounts::default() })
    }

    /// Where no service is behind the cluster, what the caller asked TLS for stands in for the authority of a request.
    fn connection_edge(
        &mut self,
        attributes: &impl Attributes,
        facts: &StreamInfo,
        has_come_to_be: bool,
        now_us: u64,
    ) -> Rc<Edge> {
        if has_come_to_be && (facts.is_destination || facts.cluster.starts_with(b"outbound|")) {
            return self.edge(attributes, facts, now_us);
        }
        let mut edge = read_edge(attributes, facts);
        let is_nameless = !facts.is_destination && edge.service.host.is_empty();
        if let (true, Some(name)) = (is_nameless, attributes.text(Attribute::RequestedServerName)) {
            edge.service.host = bounded(&name.to_ascii_lowercase());
            edge.service.evidence = ServiceEvidence::Authority;
        }
        Rc::new(edge)
    }
}
