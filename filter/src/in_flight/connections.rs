//! TCP connections that were opened and not closed.
//!
//! In: open and close of connections, and their refreshed bytes. Out: the connections to refresh,
//! and the bytes since the last report, by edge.
//! Invariant: each byte of a connection is reported once. At most `TRACKED_MAX` connections are
//! tracked; an untracked connection is reported as a whole when it closes.

use super::byte_deltas::ByteDeltas;
use crate::config::Config;
use crate::record::{Edge, RequestStats};
use std::rc::Rc;

/// Connections that are tracked; connections beyond are reported when they close.
const TRACKED_MAX: usize = 16_384;
/// Connections that are refreshed on one tick.
const REFRESHES_MAX: usize = 64;

/// The reported bytes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedBytes {
    /// The edge of the connection.
    pub edge: Rc<Edge>,
    request_bytes: u64,
    response_bytes: u64,
}

/// The open connections.
#[derive(Debug, Default)]
pub struct ConnectionTable {
    /// In the order of their contexts.
    tracked: Vec<Connection>,
    /// Connections beyond `TRACKED_MAX`.
    untracked: u64,
    /// The context with which the next refresh starts.
    next: u32,
    /// Bytes since the last report.
    pub deltas: ByteDeltas,
}

#[derive(Debug)]
struct Connection {
    context: u32,
    carries_http: bool,
    opened_us: u64,
    refreshed_us: u64,
    reported: Option<ReportedBytes>,
}

/// The state of a connection at its close.
#[derive(Debug, PartialEq, Eq)]
pub enum ClosedConnection {
    /// The context is not a tracked connection.
    Unknown,
    /// The connection carried HTTP; its requests are reported.
    CarriedHttp,
    /// A tracked connection.
    Tracked {
        /// The time at which it was opened, at most a tick early.
        opened_us: u64,
        /// Its reported bytes, if any.
        reported: Option<ReportedBytes>,
    },
}

impl ConnectionTable {
    /// Adds a connection, opened at about `now_us`.
    pub fn open(&mut self, context: u32, now_us: u64) {
        let Err(index) = self.index(context) else { return };
        if self.tracked.len() >= TRACKED_MAX {
            self.untracked = self.untracked.saturating_add(1);
            return;
        }
        let connection = Connection {
            context,
            carries_http: false,
            opened_us: now_us,
            refreshed_us: now_us,
            reported: None,
        };
        self.tracked.insert(index, connection);
    }

    /// Removes a connection.
    pub fn close(&mut self, context: u32) -> ClosedConnection {
        let Ok(index) = self.index(context) else { return ClosedConnection::Unknown };
        let connection = self.tracked.remove(index);
        if connection.carries_http {
            ClosedConnection::CarriedHttp
        } else {
            ClosedConnection::Tracked { opened_us: connection.opened_us, reported: connection.reported }
        }
    }

    /// Removes a connection that was not tracked.
    pub fn close_untracked(&mut self) {
        self.untracked = self.untracked.saturating_sub(1);
    }

    /// Returns the number of open connections. A connection that carries HTTP counts until its
    /// first refresh.
    #[must_use]
    pub fn count(&self) -> u64 {
        let tcp = self.tracked.iter().filter(|connection| !connection.carries_http).count();
        self.untracked.saturating_add(u64::try_from(tcp).unwrap_or(u64::MAX))
    }

    /// Returns whether there are untracked connections.
    #[must_use]
    pub fn has_untracked(&self) -> bool {
        self.untracked > 0
    }

    /// Returns whether the context is a tracked connection.
    #[must_use]
    pub fn contains(&self, context: u32) -> bool {
        self.index(context).is_ok()
    }

    /// Returns the connections to refresh from Envoy now: each once per report interval, in turn.
    pub fn due_for_refresh(&mut self, now_us: u64, config: &Config) -> Vec<u32> {
        // Connections that were opened before the first clock read were opened about now.
        for connection in self.tracked.iter_mut().take_while(|connection| connection.opened_us == 0) {
            connection.opened_us = now_us;
        }
        let interval_us = config.report_interval_ms.saturating_mul(1_000);
        let is_due = |connection: &&Connection| {
            !connection.carries_http && now_us.saturating_sub(connection.refreshed_us) >= interval_us
        };
        let start = self.index(self.next).unwrap_or_else(|index| index);
        let (before, after) = self.tracked.split_at_checked(start).unwrap_or_default();
        let due = after.iter().chain(before).filter(is_due).take(REFRESHES_MAX);
        let due: Vec<u32> = due.map(|connection| connection.context).collect();
        self.next = due.last().map_or(self.next, |last| last.wrapping_add(1));
        due
    }

    /// Returns the edge of a reported connection.
    #[must_use]
    pub fn edge(&self, context: u32) -> Option<&Rc<Edge>> {
        let connection = self.tracked.get(self.index(context).ok()?)?;
        connection.reported.as_ref().map(|reported| &reported.edge)
    }

    /// Returns the time at which a connection was opened; 0 where it is not known.
    #[must_use]
    pub fn opened_us(&self, context: u32) -> u64 {
        let connection = self.index(context).ok().and_then(|index| self.tracked.get(index));
        connection.map_or(0, |connection| connection.opened_us)
    }

    /// Stores the bytes of a connection so far. Returns whether there is a new delta to report.
    pub fn update_bytes(&mut self, context: u32, edge: &Rc<Edge>, stats: &RequestStats, now_us: u64) -> bool {
        let Ok(index) = self.index(context) else { return false };
        let Some(connection) = self.tracked.get_mut(index) else { return false };
        connection.refreshed_us = now_us;
        let opened = u64::from(connection.reported.is_none());
        let (request_bytes, response_bytes) = bytes_since(connection.reported.as_ref(), stats);
        if opened == 0 && request_bytes == 0 && response_bytes == 0 {
            return false;
        }
        let Some(edge) = self.deltas.add(edge, opened, (request_bytes, response_bytes)) else { return false };
        let (request_bytes, response_bytes) = (stats.request_bytes, stats.response_bytes);
        connection.reported = Some(ReportedBytes { edge, request_bytes, response_bytes });
        true
    }

    /// Marks a connection as refreshed, without new bytes.
    pub fn mark_refreshed(&mut self, context: u32, now_us: u64) {
        if let Some(connection) = self.index(context).ok().and_then(|index| self.tracked.get_mut(index)) {
            connection.refreshed_us = now_us;
        }
    }

    /// Marks a connection as carrying HTTP: the connection itself is never reported.
    pub fn mark_http(&mut self, context: u32) {
        if let Some(connection) = self.index(context).ok().and_then(|index| self.tracked.get_mut(index)) {
            connection.carries_http = true;
        }
    }

    fn index(&self, context: u32) -> Result<usize, usize> {
        self.tracked.binary_search_by_key(&context, |connection| connection.context)
    }
}

/// Returns the bytes since the last report.
#[must_use]
pub fn bytes_since(reported: Option<&ReportedBytes>, stats: &RequestStats) -> (u64, u64) {
    let (request_bytes, response_bytes) =
        reported.map_or((0, 0), |reported| (reported.request_bytes, reported.response_bytes));
    (stats.request_bytes.saturating_sub(request_bytes), stats.response_bytes.saturating_sub(response_bytes))
}

#[cfg(test)]
mod tests;
