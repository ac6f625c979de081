//! The builder of records.
//!
//! In: the attributes at the end of a request, and the clock. Out: a [`Record`].
//! Invariant: every call gives one record, whatever attributes are missing. The explanation of a
//! failure is read for failed requests only.

use super::connection::{self, ConnectionState, KnownConnection};
use super::edge_resolver::EdgeResolver;
use super::evaluator::Evaluator;
use super::now::Now;
use super::outcome::{FailureReason, Outcome, Protocol};
use super::record::Record;
use super::stats::{DURATION_US_MAX, MessageCounts, RequestStats};
use super::stream_info::{Grpc, StreamInfo};
use crate::attributes::{Attribute, Attributes, Expression, FAILURE_VALUES, Values, evaluate_each};
use crate::text::hash::request_id_hash;

/// The state that records share: the edge cache and the choice of the expression.
#[derive(Debug, Default)]
pub struct RecordBuilder {
    evaluator: Evaluator,
    edges: EdgeResolver,
}

impl RecordBuilder {
    /// Sets whether the proxy is an Istio waypoint.
    pub fn set_waypoint(&mut self, is_waypoint: bool) {
        self.edges.set_waypoint(is_waypoint);
    }

    /// Builds the record of the request that just ended.
    pub fn request(&mut self, attributes: &impl Attributes, now: Now) -> Record {
        let result = self.evaluator.evaluate(attributes);
        let info = StreamInfo::read(&result);
        let edge = self.edges.resolve(attributes, &info, now.steady_us);
        let outcome = outcome(attributes, &info);
        let stats = stats(attributes, &info, now.wall_us);
        let messages = messages(attributes, &info);
        attributes.recycle(result);
        Record { edge, outcome, stats, messages }
    }

    /// Builds the record of a connection. `establish_us`: the time after which an open connection
    /// without bytes counts as established; 0 for a closed one.
    pub fn connection(
        &mut self,
        attributes: &impl Attributes,
        known: KnownConnection,
        establish_us: u64,
        now: Now,
    ) -> ConnectionState {
        connection::read(&mut self.edges, attributes, known, establish_us, now)
    }

    /// Returns the number of requests that were read attribute by attribute, at several times the
    /// cost.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.evaluator.fallbacks()
    }
}

fn outcome(attributes: &impl Attributes, info: &StreamInfo) -> Outcome {
    let mut outcome = Outcome {
        response_code: info.response_code,
        response_flags: info.response_flags,
        grpc_status: if let Grpc::Status(status) = info.grpc { Some(status) } else { None },
        protocol: if info.grpc == Grpc::No { Protocol::Http } else { Protocol::Grpc },
        ..Outcome::default()
    };
    if outcome.has_failed() {
        let result = attributes.evaluate(Expression::Failure);
        let result = result.unwrap_or_else(|| evaluate_each(Expression::Failure, attributes));
        if let Some(mut values) = Values::read(&result, FAILURE_VALUES) {
            outcome.failure = FailureReason::new(values.bytes(), values.bytes());
        }
    }
    outcome
}

fn stats(attributes: &impl Attributes, info: &StreamInfo, now_us: u64) -> RequestStats {
    // Envoy measures the duration with a monotonic clock, and it ends now. Only connections have
    // none.
    let duration_us = info.duration_ns.map(|ns| ns / 1_000).unwrap_or_else(|| {
        let start_us = attributes.number(Attribute::RequestTime).map_or(now_us, |ns| ns / 1_000);
        now_us.saturating_sub(start_us)
    });
    let duration_us = duration_us.min(DURATION_US_MAX);
    RequestStats {
        start_us: now_us.saturating_sub(duration_us),
        duration_us,
        request_bytes: info.request_bytes,
        response_bytes: info.response_bytes,
        request_id_hash: if info.request_id.is_empty() { 0 } else { request_id_hash(info.request_id) },
        attempts: info.attempts,
    }
}

fn messages(attributes: &impl Attributes, info: &StreamInfo) -> MessageCounts {
    match info.grpc {
        Grpc::No => MessageCounts::default(),
        _ => MessageCounts::read(&attributes.text(Attribute::GrpcMessages).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
