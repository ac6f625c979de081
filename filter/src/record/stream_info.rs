//! Envoy's stream info of one finished request.
//!
//! Invariant: every input gives a [`StreamInfo`]; a value that cannot be read counts as absent.

use super::outcome::{INVALID_GRPC_STATUS, response_code};
use crate::attributes::{DESTINATION_VALUES, NO_STATUS, NOT_GRPC, SOURCE_VALUES, Values, number};

/// The attributes that every record needs. An empty text and a 0 mean "not known".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamInfo<'a> {
    /// Whether the request arrived on an inbound listener.
    pub(super) is_destination: bool,
    /// First byte of the request to the end of the response, from a monotonic clock.
    pub(super) duration_ns: Option<u64>,
    /// HTTP status, see [`response_code`].
    pub(super) response_code: u32,
    /// Envoy's bitmap of response flags.
    pub(super) response_flags: u64,
    /// Headers and body.
    pub(super) request_bytes: u64,
    /// Headers, body and trailers.
    pub(super) response_bytes: u64,
    /// The `x-request-id` header, or the hop header.
    pub(super) request_id: &'a [u8],
    /// The chosen cluster.
    pub(super) cluster: &'a [u8],
    /// Whether the request is gRPC, and its status.
    pub(super) grpc: Grpc,
    /// Address and port of the upstream at a source, of the downstream at a destination.
    pub(super) address: &'a [u8],
    /// One slice over cluster and address, which follow each other in the result.
    pub(super) route: &'a [u8],
    /// Upstream attempts at a source, the caller's attempt number at a destination.
    pub(super) attempts: u32,
    /// Envoy's id of the downstream connection, at a destination.
    pub(super) connection: u64,
}

/// The gRPC status of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Grpc {
    /// The request is not gRPC.
    #[default]
    No,
    /// No status was sent.
    NoStatus,
    /// The status; [`INVALID_GRPC_STATUS`] for any text that is none.
    Status(u32),
}

impl Grpc {
    fn read(text: &[u8]) -> Self {
        match text {
            NOT_GRPC => Self::No,
            NO_STATUS => Self::NoStatus,
            _ => {
                let status = str::from_utf8(text.trim_ascii()).ok().and_then(|text| text.parse().ok());
                Self::Status(status.unwrap_or(INVALID_GRPC_STATUS).min(INVALID_GRPC_STATUS))
            }
        }
    }
}

impl<'a> StreamInfo<'a> {
    /// Reads the result of `Expression::Request`; from anything else, the defaults.
    #[must_use]
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let (values, is_destination) = match Values::read(bytes, SOURCE_VALUES) {
            Some(values) => (Some(values), false),
            None => (Values::read(bytes, DESTINATION_VALUES), true),
        };
        let Some(mut values) = values else { return Self::default() };
        // The order of the expression.
        let Some([duration_ns, code, flags, request_bytes, response_bytes, last]) = values.numbers() else {
            return Self::default();
        };
        let unsigned = |value| u64::try_from(number(value));
        let grpc = Grpc::read(values.bytes());
        let request_id = values.bytes();
        let (cluster, address, route) = values.pair();
        let (attempts, connection) = if is_destination {
            let attempt = str::from_utf8(values.bytes()).ok().and_then(|n| n.parse().ok());
            (attempt.unwrap_or(0), unsigned(last).unwrap_or(0))
        } else {
            (small(number(last)), 0)
        };
        Self {
            is_destination,
            duration_ns: unsigned(duration_ns).ok(),
            response_code: response_code(number(code)),
            response_flags: unsigned(flags).unwrap_or(0),
            request_bytes: unsigned(request_bytes).unwrap_or(0),
            response_bytes: unsigned(response_bytes).unwrap_or(0),
            grpc,
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
