//! The outcome of a request.

use super::truncate::truncated;
use crate::attributes::ABSENT;
pub use hopscope_proto::v1::Protocol;

/// The response code that stands for a status outside of 100 to 599, which an upstream may send.
pub(super) const INVALID_RESPONSE_CODE: u32 = 1;
/// The gRPC status that stands for a value that gRPC does not define.
pub(super) const INVALID_GRPC_STATUS: u32 = 17;

/// Returns the response code of a record, from the value of `response.code`.
pub(super) fn response_code(code: i64) -> u32 {
    match code {
        100..=599 => u32::try_from(code).unwrap_or(INVALID_RESPONSE_CODE),
        ABSENT | 0 => 0,
        _ => INVALID_RESPONSE_CODE,
    }
}

/// The result of a request or connection. Requests with equal outcomes share one table row in a
/// batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// HTTP status from 100 to 599; 0 without response headers; 1 for any
    /// other one.
    pub response_code: u32,
    /// Envoy's bitmap of response flags.
    pub response_flags: u64,
    /// The gRPC status from 0 to 16; 17 for any other one; `None` where none
    /// was sent.
    pub grpc_status: Option<u32>,
    /// HTTP, gRPC or TCP.
    pub protocol: Protocol,
    /// Envoy's explanation of a failure, where it has one.
    pub failure: Option<Box<FailureReason>>,
    /// Whether the connection was reported before as opened.
    pub continued: bool,
}

impl Outcome {
    /// Returns whether the request failed, so that reading its explanation is worth a host call.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.response_flags != 0
            || !(100..400).contains(&self.response_code) && self.protocol != Protocol::Tcp
            || self.grpc_status.is_some_and(|status| status != 0)
    }
}

/// Envoy's explanation of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FailureReason {
    /// `response.code_details`.
    pub code_details: String,
    /// `upstream.transport_failure_reason`.
    pub transport_failure_reason: String,
}

impl FailureReason {
    /// Returns the explanation; `None` when both texts are empty.
    #[must_use]
    pub fn new(code_details: &[u8], transport_failure_reason: &[u8]) -> Option<Box<Self>> {
        let text = |bytes: &[u8]| truncated(&String::from_utf8_lossy(bytes));
        let reason = Self {
            code_details: text(code_details),
            transport_failure_reason: text(transport_failure_reason),
        };
        (reason != Self::default()).then(|| Box::new(reason))
    }
}
