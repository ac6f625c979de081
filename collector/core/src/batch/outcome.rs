//! Outcome of a request: status, response flags, protocol.
//!
//! Invariant: [`Outcome::is_failure`] is the only definition of a failure.

use crate::snapshot::codec::snapshot;

/// Value of the labels of an invalid HTTP or gRPC status.
const INVALID: &str = "invalid";

/// Outcome of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome {
    /// HTTP status: 100 to 599, 0 when no response headers were sent, or
    /// [`Outcome::INVALID_CODE`].
    pub response_code: u32,
    /// Envoy's bitmap of response flags.
    pub response_flags: u64,
    /// gRPC status: 0 to 16, or [`Outcome::INVALID_GRPC_STATUS`]; absent when none was sent.
    pub grpc_status: Option<u32>,
    /// Protocol of the request.
    pub protocol: Protocol,
}

snapshot!(struct Outcome { response_code, response_flags, grpc_status, protocol });

impl Outcome {
    /// HTTP status of a response whose status is outside 100 to 599.
    pub const INVALID_CODE: u32 = 1;
    /// gRPC status of a response whose status is no number from 0 to 16.
    pub const INVALID_GRPC_STATUS: u32 = 17;

    /// Returns the HTTP status for a reported one, which can be any number.
    #[must_use]
    pub fn valid_code(reported: u32) -> u32 {
        if matches!(reported, 0 | 100..=599) { reported } else { Self::INVALID_CODE }
    }

    /// Returns the gRPC status for a reported one, which can be any number.
    #[must_use]
    pub fn valid_grpc_status(reported: u32) -> u32 {
        reported.min(Self::INVALID_GRPC_STATUS)
    }

    /// Whether the request counts as failed: a response flag, no response, an unsuccessful
    /// response, or an invalid one.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.response_flags != 0
            || self.response_code == 0 && self.protocol != Protocol::Tcp
            || self.is_error_response()
    }

    /// Whether the response reports an error: an HTTP status of 500 or more, a gRPC status other
    /// than 0, or an invalid status.
    #[must_use]
    pub fn is_error_response(&self) -> bool {
        self.response_code >= 500
            || self.response_code == Self::INVALID_CODE
            || self.grpc_status.is_some_and(|status| status != 0)
    }

    /// Returns the value of the label `response_code`: the HTTP status, or `invalid`.
    #[must_use]
    pub fn code_label(&self) -> String {
        match self.response_code {
            Self::INVALID_CODE => INVALID.to_owned(),
            code => code.to_string(),
        }
    }

    /// Returns the value of the label `grpc_response_status`: the gRPC status, `invalid`, or empty
    /// when none was sent.
    #[must_use]
    pub fn grpc_label(&self) -> String {
        match self.grpc_status {
            None => String::new(),
            Some(status @ 0..=16) => status.to_string(),
            Some(_) => INVALID.to_owned(),
        }
    }
}

/// Protocol of a request, as in Istio's label `request_protocol`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Not reported.
    #[default]
    Unknown,
    /// HTTP.
    Http,
    /// gRPC.
    Grpc,
    /// TCP connection without a known application protocol.
    Tcp,
}

snapshot!(enum Protocol { 0 = Unknown, 1 = Http, 2 = Grpc, 3 = Tcp });

impl Protocol {
    /// Returns the value of the label `request_protocol`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Tcp => "tcp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Protocol};

    /// Compares the labels of a reported status, and whether the request failed.
    #[track_caller]
    fn check(code: u32, grpc_status: Option<u32>, expected: &str) {
        let outcome = Outcome {
            response_code: Outcome::valid_code(code),
            grpc_status: grpc_status.map(Outcome::valid_grpc_status),
            protocol: Protocol::Http,
            ..Outcome::default()
        };
        let failed = if outcome.is_failure() { " failed" } else { "" };
        assert_eq!(format!("{}/{}{failed}", outcome.code_label(), outcome.grpc_label()), expected);
    }

    #[test]
    fn an_invalid_status_is_a_failure_with_one_label() {
        check(200, None, "200/");
        check(404, None, "404/");
        check(599, None, "599/ failed");
        check(0, None, "0/ failed");
        for code in [1, 42, 99, 600, 999, 1_000, u32::MAX] {
            check(code, None, "invalid/ failed");
        }
        check(200, Some(0), "200/0");
        check(200, Some(16), "200/16 failed");
        check(200, Some(17), "200/invalid failed");
        check(200, Some(u32::MAX), "200/invalid failed");
    }
}
