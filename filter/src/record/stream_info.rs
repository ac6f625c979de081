//! What Envoy said about one finished request.
//!
//! In: the answer to [`Expression::Request`]. Out: [`StreamInfo`]. Always holds: whatever the bytes, there are facts; what
//! could not be read is as good as absent.

use crate::attributes::{ABSENT, DESTINATION_VALUES, Expression, NOT_GRPC, SOURCE_VALUES};
use crate::attributes::{Attributes, evaluate_each};
use crate::attributes::{Values, number};

/// The facts of one request, as Envoy gave them. Empty texts and 0 are "not known".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamInfo<'a> {
    /// The request came in on an inbound listener.
    pub is_destination: bool,
    /// First byte of the request to the end of the response, monotonic.
    pub duration_ns: Option<u64>,
    /// HTTP status.
    pub response_code: u32,
    /// Envoy's bitmap.
    pub response_flags: u64,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers, body and trailers.
    pub response_bytes: u64,
    /// The `x-request-id` header.
    pub request_id: &'a [u8],
    /// The chosen cluster.
    pub cluster: &'a [u8],
    /// Whether it is gRPC, and its status.
    pub grpc: Grpc,
    /// Address and port of the upstream at a source, of the downstream at a destination.
    pub address: &'a [u8],
    /// Cluster and address as they stand side by side in the answer: one text that names both.
    pub route: &'a [u8],
    /// Upstream attempts at a source, the caller's attempt number at a destination.
    pub attempts: u32,
    /// Envoy's number of the downstream connection, at a destination.
    pub connection: u64,
}

/// What a request has to do with gRPC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Grpc {
    /// Nothing. Envoy maps every HTTP status to a gRPC one, so a plain 200 would read as 2.
    #[default]
    No,
    /// It ended without a status.
    Unended,
    /// It ended with this status.
    Ended(u32),
}

impl<'a> StreamInfo<'a> {
    /// Reads an answer; where it is none, nothing is known.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let (answer, is_destination) = match Values::read(bytes, SOURCE_VALUES) {
            Some(answer) => (Some(answer), false),
            None => (Values::read(bytes, DESTINATION_VALUES), true),
        };
        let Some(mut answer) = answer else { return Self::default() };
        // The order is that of the question.
        let Some([duration_ns, code, flags, request_bytes, response_bytes, grpc, last]) = answer.numbers()
        else {
            return Self::default();
        };
        let unsigned = |value| u64::try_from(number(value));
        let request_id = answer.bytes();
        let (cluster, address, route) = answer.pair();
        let (attempts, connection) = if is_destination {
            let attempt = str::from_utf8(answer.bytes()).ok().and_then(|n| n.parse().ok());
            (attempt.unwrap_or(0), unsigned(last).unwrap_or(0))
        } else {
            (small(number(last)), 0)
        };
        Self {
            is_destination,
            duration_ns: unsigned(duration_ns).ok(),
            response_code: small(number(code)),
            response_flags: unsigned(flags).unwrap_or(0),
            request_bytes: unsigned(request_bytes).unwrap_or(0),
            response_bytes: unsigned(response_bytes).unwrap_or(0),
            grpc: match number(grpc) {
                NOT_GRPC => Grpc::No,
                ABSENT => Grpc::Unended,
                status => Grpc::Ended(small(status)),
            },
            request_id,
            cluster,
            address,
            route,
            attempts,
            connection,
        }
    }
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// Asks for the facts, the cheapest way first.
#[derive(Debug, Default)]
pub struct Evaluator {
    /// How many requests more are asked the guarded way at once.
    guarded: u32,
    /// How many that were the last time.
    caution: u32,
    fallbacks: u64,
}

/// The most requests that go without a try of the bare question.
const SKIPS_MAX: u32 = 255;

impl Evaluator {
    /// The answer about the request that just ended; [`StreamInfo::read`] reads it.
    pub fn ask(&mut self, attributes: &impl Attributes) -> Vec<u8> {
        if self.guarded > 0 {
            self.guarded = self.guarded.saturating_sub(1);
        } else if let Some(bytes) = attributes.evaluate(Expression::Request) {
            self.caution /= 2;
            return bytes;
        } else {
            // Where requests fail in a row, the bare question is only what it costs.
            self.guarded = self.caution;
            self.caution = self.caution.saturating_mul(2).saturating_add(1).min(SKIPS_MAX);
        }
        let answer = attributes.evaluate(Expression::RequestGuarded);
        answer.unwrap_or_else(|| {
            self.fallbacks = self.fallbacks.saturating_add(1);
            evaluate_each(Expression::RequestGuarded, attributes)
        })
    }

    /// How many requests were asked about attribute by attribute, which costs several times as much.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks
    }
}
