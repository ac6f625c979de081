//! The record of one finished request or closed connection.
//!
//! Invariant: an empty text and a 0 mean "not known".

use super::edge::Edge;
use super::outcome::{Outcome, Protocol};
use super::stats::{MessageCounts, RequestStats};
use crate::config::Detail;
use std::rc::Rc;

/// One finished request, or one closed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The edge that the request crossed.
    pub edge: Rc<Edge>,
    /// The outcome of the request.
    pub outcome: Outcome,
    /// The numbers of the request.
    pub stats: RequestStats,
    /// The messages of a gRPC request. A batch carries their sums only.
    pub messages: MessageCounts,
}

impl Record {
    /// Returns whether `detail` selects the request to be reported as a single record.
    #[must_use]
    pub fn has_own_row(&self, detail: Detail, slow_ms: u64) -> bool {
        match detail {
            Detail::All => true,
            Detail::Failures => {
                let is_slow = self.stats.duration_us / 1_000 >= slow_ms;
                // A long TCP connection is not slow.
                self.outcome.has_failed() || is_slow && self.outcome.protocol != Protocol::Tcp
            }
            Detail::None => false,
        }
    }
}
