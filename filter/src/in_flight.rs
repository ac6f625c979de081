//! Requests and TCP connections that have begun and not ended.
//!
//! Each batch carries a summary of the in-flight requests ([`InFlightSummary`]), and the bytes of
//! connections and streams since the last batch ([`ByteDelta`]).

mod byte_deltas;
mod roots;
mod requests;
mod summary;
mod connections;

use crate::config::Config;

pub use byte_deltas::{ByteDelta, ByteDeltas};
pub use connections::{ClosedConnection, ConnectionTable, ReportedBytes, bytes_since};
pub use requests::RequestTable;
pub use summary::{InFlightSummary, LongRequests};

/// The in-flight requests and connections of one VM.
#[derive(Debug, Default)]
pub struct InFlight {
    /// Requests that have not ended.
    pub requests: RequestTable,
    /// Connections that have not closed.
    pub connections: ConnectionTable,
}

impl InFlight {
    /// Moves a context from the requests to the connections: Envoy announces a connection after its
    /// context was created.
    pub fn connect(&mut self, context: u32) {
        if self.requests.remove(context).is_none() {
            self.requests.end_untracked();
        }
        self.connections.open(context, self.requests.clock_us());
    }

    /// Returns the contexts to refresh from Envoy now, a bounded number: long requests, and
    /// connections that were not refreshed for a report interval.
    pub fn due_for_refresh(&mut self, now_us: u64, config: &Config) -> Vec<u32> {
        let mut contexts = self.requests.due_for_refresh(now_us, config);
        contexts.extend(self.connections.due_for_refresh(now_us, config));
        contexts
    }

    /// Removes a request or connection that Envoy no longer knows.
    pub fn remove(&mut self, context: u32) {
        if self.connections.close(context) == ClosedConnection::Unknown {
            self.requests.remove(context);
        }
    }
}
