//! The numbers of one request or connection.

/// The longest duration, microseconds: the collector refuses 7 days and more.
pub(super) const DURATION_US_MAX: u64 = 7 * 24 * 3_600 * 1_000_000 - 1;

/// Time, size and attempts of one request or connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestStats {
    /// Start, microseconds since the Unix epoch.
    pub start_us: u64,
    /// First byte of the request to the end of the response, microseconds.
    pub duration_us: u64,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers, body and trailers.
    pub response_bytes: u64,
    /// [`crate::text::hash::request_id_hash`] of the request id; 0 without an id.
    pub request_id_hash: u32,
    /// Attempts upstream (source), or the caller's attempt number (destination); 0 when not known.
    pub attempts: u32,
}

/// Messages of gRPC requests; 0 where Envoy does not count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Messages from the client.
    pub request: u64,
    /// Messages to the client.
    pub response: u64,
}

impl MessageCounts {
    /// Reads the state of Envoy's filter `grpc_stats`: `requests,responses` in decimal digits.
    /// Anything else reads as 0.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (request, response) = text.split_once(',').unwrap_or_default();
        Self { request: request.parse().unwrap_or(0), response: response.parse().unwrap_or(0) }
    }

    /// Adds the counts of other requests.
    pub fn add(&mut self, other: Self) {
        self.request = self.request.saturating_add(other.request);
        self.response = self.response.saturating_add(other.response);
    }
}
