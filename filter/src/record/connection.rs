//! The record of one TCP connection, closed or still open.
//!
//! Invariant: a connection with HTTP requests has no record, because its requests have. The edge of
//! a connection that is not established is neither reported nor cached, because no certificate was
//! seen.
//!
//! Istio places a NETWORK plugin before HTTP connection managers, too. Envoy's TCP proxy creates
//! its upstream information during setup, so that `upstream.transport_failure_reason` is present,
//! if empty, even without a cluster (NC), an endpoint (UH) or capacity (UO). Before a connection
//! manager it is always absent. The cluster alone does not distinguish the two.

use super::edge::Edge;
use super::edge_attributes::read_edge;
use super::edge_resolver::EdgeResolver;
use super::now::Now;
use super::outcome::{FailureReason, Outcome, Protocol};
use super::record::Record;
use super::service::{complete_by_server_name, is_of_service, truncated_service};
use super::stats::{DURATION_US_MAX, MessageCounts, RequestStats};
use super::stream_info::StreamInfo;
use crate::attributes::{Attribute, Attributes, CONNECTION_VALUES, Expression, Values, evaluate_each};
use std::rc::Rc;

/// The facts about a connection that are known before its attributes are read.
#[derive(Debug, Default)]
pub struct KnownConnection {
    /// The edge, where it was reported.
    pub edge: Option<Rc<Edge>>,
    /// The time at which the connection was opened, by the steady clock; 0 where it is not known.
    pub opened_us: u64,
}

/// The state of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// The connection carries HTTP; its requests are reported.
    CarriesHttp,
    /// The connection has just begun.
    NotEstablished,
    /// The record, with all bytes so far.
    Record(Record),
}

/// Reads a connection. `establish_us`: the time after which an open connection without bytes counts
/// as established; 0 for a closed one.
pub(super) fn read(
    edges: &mut EdgeResolver,
    attributes: &impl Attributes,
    known: KnownConnection,
    establish_us: u64,
    now: Now,
) -> ConnectionState {
    let result = attributes.evaluate(Expression::Connection);
    let result = result.unwrap_or_else(|| evaluate_each(Expression::Connection, attributes));
    let Some(mut values) = Values::read(&result, CONNECTION_VALUES) else {
        return ConnectionState::CarriesHttp;
    };
    // The order of the expression.
    let is_destination = values.number() == 1;
    if values.number() == 0 {
        return ConnectionState::CarriesHttp;
    }
    let start_us = u64::try_from(values.number()).map_or(now.wall_us, |ns| ns / 1_000);
    let mut number = || u64::try_from(values.number()).unwrap_or(0);
    let (response_flags, request_bytes, response_bytes) = (number(), number(), number());
    let (cluster, upstream, downstream) = (values.bytes(), values.bytes(), values.bytes());
    let reason = values.bytes();
    let attempts = u32::try_from(values.number()).unwrap_or(0);
    let info = StreamInfo {
        is_destination,
        response_flags,
        cluster,
        address: if is_destination { downstream } else { upstream },
        connection: u64::try_from(values.number()).unwrap_or(0),
        ..StreamInfo::default()
    };
    // The proxy buffers a source's bytes until an upstream is connected. A response implies TLS on
    // both sides.
    let is_established = response_bytes > 0 || is_destination && request_bytes > 0;
    let age_us = now.age_us(start_us, known.opened_us);
    if !is_established && age_us < establish_us {
        return ConnectionState::NotEstablished;
    }
    let edge = known.edge.unwrap_or_else(|| resolve(edges, attributes, &info, is_established, now.steady_us));
    let failure = FailureReason::new(b"", reason);
    let outcome = Outcome { response_flags, protocol: Protocol::Tcp, failure, ..Outcome::default() };
    let duration_us = age_us.min(DURATION_US_MAX);
    let start_us = now.wall_us.saturating_sub(duration_us);
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

/// Resolves the edge. Where the cluster has no service, the requested server name of TLS is the
/// authority.
fn resolve(
    edges: &mut EdgeResolver,
    attributes: &impl Attributes,
    info: &StreamInfo,
    is_established: bool,
    now_us: u64,
) -> Rc<Edge> {
    if is_established && (info.is_destination || is_of_service(info.cluster)) {
        return edges.resolve_connection(attributes, info, now_us);
    }
    let mut edge = read_edge(attributes, info);
    let has_no_service = !info.is_destination && edge.service.host.is_empty();
    if let (true, Some(name)) = (has_no_service, attributes.text(Attribute::RequestedServerName)) {
        complete_by_server_name(&mut edge.service, &name);
        edge.service = truncated_service(&edge.service);
    }
    Rc::new(edge)
}
