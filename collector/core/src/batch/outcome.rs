//! How a request ended, and what was spoken.
//!
//! In: nothing; these are words. Out: the same to every room. Always holds: one rule says what a failure is.

use crate::snapshot::codec::snapshot;

/// How a request ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// HTTP status, 0 or 100 to 999; 0 when no response headers were sent.
    pub response_code: u32,
    /// Envoy's bitmap of response flags.
    pub response_flags: u64,
    /// Only for gRPC.
    pub grpc_status: Option<u32>,
    /// What was spoken.
    pub protocol: Protocol,
}

snapshot!(struct Outcome { response_code, response_flags, grpc_status, protocol });

impl Outcome {
    /// Whether it counts as failed: a response flag, no response, 5xx, or a gRPC status other than 0.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.response_flags != 0
            || self.response_code == 0 && self.protocol != Protocol::Tcp
            || self.response_code >= 500
            || self.grpc_status.is_some_and(|status| status != 0)
    }
}

/// What was spoken, as Istio's label `request_protocol` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Not told.
    #[default]
    Unknown,
    /// HTTP.
    Http,
    /// gRPC.
    Grpc,
    /// A plain connection.
    Tcp,
}

snapshot!(enum Protocol { 0 = Unknown, 1 = Http, 2 = Grpc, 3 = Tcp });

impl Protocol {
    /// As the label says it.
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
