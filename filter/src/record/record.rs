//! What one proxy knows of one finished request.
//!
//! In: nothing. Out: the words that all rooms share. Always holds: empty texts and 0 are "not known", and no text is
//! longer than [`TEXT_BYTES_MAX`] when `bounded` made it.

use crate::config::Detail;
use crate::record::service::Service;
pub use hopscope_proto::v1::{Protocol, Reporter};

use std::rc::Rc;

/// The longest text that leaves the proxy, bytes; the collector refuses longer ones.
pub const TEXT_BYTES_MAX: usize = 256;

/// No duration is longer, microseconds: the collector refuses 7 days and more.
pub const DURATION_US_MAX: u64 = 7 * 24 * 3_600 * 1_000_000 - 1;

/// One finished request, or one closed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Between whom.
    pub edge: Rc<Edge>,
    /// How it ended.
    pub outcome: Outcome,
    /// Its figures.
    pub stats: RequestStats,
    /// Its messages, when it is a gRPC request. They are no figure of it: a batch tells only their sums.
    pub messages: MessageCounts,
}

impl Record {
    /// Whether `detail` has it leave as a single record.
    #[must_use]
    pub fn has_own_row(&self, detail: Detail, slow_ms: u64) -> bool {
        match detail {
            Detail::All => true,
            Detail::Failures => {
                let is_slow = self.stats.duration_us / 1_000 >= slow_ms;
                // A connection that lasts does its work.
                self.outcome.has_failed() || is_slow && self.outcome.protocol != Protocol::Tcp
            }
            Detail::None => false,
        }
    }
}

impl Outcome {
    /// Whether the request failed, so that its explanation is worth asking for.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.response_flags != 0
            || !(1..400).contains(&self.response_code) && self.protocol != Protocol::Tcp
            || self.grpc_status.is_some_and(|status| status != 0)
    }
}

/// The figures of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestStats {
    /// Start, microseconds since the Unix epoch.
    pub start_us: u64,
    /// First byte of the request to the end of the response.
    pub duration_us: u64,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers, body and trailers.
    pub response_bytes: u64,
    /// See [`crate::text::hash::request_id_hash`]; 0 without an id.
    pub request_id_hash: u32,
    /// Attempts upstream (source), or the caller's attempt number (destination); 0 when not known.
    pub attempts: u32,
}

/// MessageCounts of gRPC requests, 0 where nobody counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// What clients sent.
    pub request: u64,
    /// What they got.
    pub response: u64,
}

impl MessageCounts {
    /// Reads what Envoy's `grpc_stats` leaves: `requests,responses` in decimal digits. 0 where it is anything else.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (request, response) = text.split_once(',').unwrap_or_default();
        Self { request: request.parse().unwrap_or(0), response: response.parse().unwrap_or(0) }
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.request = self.request.saturating_add(other.request);
        self.response = self.response.saturating_add(other.response);
    }
}

/// The peer and the service, as far as this proxy can tell. The own side is the proxy's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Which side of the call this proxy is.
    pub reporter: Reporter,
    /// The other side.
    pub peer: Peer,
    /// First URI SAN of the own certificate on the connection between the two.
    pub local_principal: String,
    /// Both sides presented a certificate.
    pub mutual_tls: bool,
    /// What the caller meant to reach.
    pub service: Service,
}

/// The other side of the call. Empty texts are "not known".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Workload (Deployment or the like).
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// Its label `app`; only the metadata exchange tells.
    pub app: String,
    /// Its label `version`; only the metadata exchange tells.
    pub version: String,
    /// Its canonical service.
    pub canonical_service: String,
    /// Its canonical revision; istiod leaves it out where it is `latest`.
    pub canonical_revision: String,
    /// Its cluster.
    pub cluster: String,
    /// Its address without port.
    pub address: String,
    /// First URI SAN of its certificate.
    pub principal: String,
}

/// What Envoy says of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FailureReason {
    /// `response.code_details`.
    pub code_details: String,
    /// `upstream.transport_failure_reason`.
    pub transport_failure_reason: String,
}

impl FailureReason {
    /// What is said, if anything is.
    #[must_use]
    pub fn new(code_details: &[u8], transport_failure_reason: &[u8]) -> Option<Box<Self>> {
        let text = |bytes: &[u8]| bounded(&String::from_utf8_lossy(bytes));
        let why = Self {
            code_details: text(code_details),
            transport_failure_reason: text(transport_failure_reason),
        };
        (why != Self::default()).then(|| Box::new(why))
    }
}

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// HTTP status; 0 without response headers.
    pub response_code: u32,
    /// Envoy's bitmap.
    pub response_flags: u64,
    /// Only for gRPC.
    pub grpc_status: Option<u32>,
    /// HTTP, gRPC or TCP.
    pub protocol: Protocol,
    /// Only on failure, and only where Envoy says something.
    pub failure: Option<Box<FailureReason>>,
    /// Of a connection that it was told as opened before.
    pub continued: bool,
}

/// Cuts a text at [`TEXT_BYTES_MAX`], at a character's border.
pub(crate) fn bounded(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{TEXT_BYTES_MAX, bounded};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let cut = bounded(&long);
        assert!(cut.len() <= TEXT_BYTES_MAX && long.starts_with(&cut));
        assert_eq!(bounded("short"), "short");
    }
}
