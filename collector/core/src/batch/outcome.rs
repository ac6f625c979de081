//! Outcome of a request: status, response flags, protocol.
//!
//! Invariant: [`Outcome::is_failure`] is the only definition of a failure.

use crate::snapshot::codec::snapshot;

/// Outcome of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome {
    /// HTTP status, 0 or 100 to 999; 0 when no response headers were sent.
    pub response_code: u32,
    /// Envoy's bitmap of response flags.
    pub response_flags: u64,
    /// gRPC status; absent for other protocols.
    pub grpc_status: Option<u32>,
    /// Protocol of the request.
    pub protocol: Protocol,
}

snapshot!(struct Outcome { response_code, response_flags, grpc_status, protocol });

impl Outcome {
    /// Whether the request counts as failed: a response flag, no response, a status of 500 or
    /// more, or a gRPC status other than 0.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.response_flags != 0
            || self.response_code == 0 && self.protocol != Protocol::Tcp
            || self.response_code >= 500
            || self.grpc_status.is_some_and(|status| status != 0)
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
