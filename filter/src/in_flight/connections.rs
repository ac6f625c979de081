//! TCP connections that were opened and not closed.
//!
//! In: openings and closes, and what Envoy says of a connection that it is asked about. Out: which connections to ask about,
//! and what is new of them, by edge. Always holds: what was told of a connection is told once; at most `TRACKED_MAX`
//! connections are kept; what finds no room is told when its connection closes, and by then no byte of it is missing.

use crate::config::Config;
use crate::in_flight::byte_deltas::ByteDeltas;
use crate::record::{Edge, RequestStats};
use std::rc::Rc;

/// ConnectionTable that are kept; those beyond are told when they close.
const TRACKED_MAX: usize = 16_384;
/// ConnectionTable that Envoy is asked about on one tick.
const REFRESHES_MAX: usize = 64;

/// What was told of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedBytes {
    /// Between whom.
    pub edge: Rc<Edge>,
    request_bytes: u64,
    response_bytes: u64,
}

/// The table.
#[derive(Debug, Default)]
pub struct ConnectionTable {
    /// In the order of their numbers.
    kept: Vec<Connection>,
    /// Those that found no room.
    untracked: u64,
    /// Number of the connection to go on with.
    next: u32,
    /// What is new.
    pub deltas: ByteDeltas,
}

#[derive(Debug)]
struct Connection {
    context: u32,
    carries_http: bool,
    refreshed_us: u64,
    told: Option<ReportedBytes>,
}

/// What is known of a connection that has closed.
#[derive(Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nothing: it may be none.
    Unknown,
    /// Its requests are told, not itself.
    CarriedHttp,
    /// What was told of it, if anything.
    Tracked(Option<ReportedBytes>),
}

impl ConnectionTable {
    /// A connection was opened, at about `now_us`.
    pub fn open(&mut self, context: u32, now_us: u64) {
        let Err(place) = self.place(context) else { return };
        if self.kept.len() >= TRACKED_MAX {
            self.untracked = self.untracked.saturating_add(1);
            return;
        }
        self.kept
            .insert(place, Connection { context, carries_http: false, refreshed_us: now_us, told: None });
    }

    /// A connection was closed.
    pub fn close(&mut self, context: u32) -> Closed {
        let Ok(place) = self.place(context) else { return Closed::Unknown };
        let connection = self.kept.remove(place);
        if connection.carries_http { Closed::CarriedHttp } else { Closed::Tracked(connection.told) }
    }

    /// One that was not kept was closed.
    pub fn close_untracked(&mut self) {
        self.untracked = self.untracked.saturating_sub(1);
    }

    /// How many are open; those that carry HTTP count until Envoy was asked about them.
    #[must_use]
    pub fn count(&self) -> u64 {
        let tcp = self.kept.iter().filter(|connection| !connection.carries_http).count();
        self.untracked.saturating_add(u64::try_from(tcp).unwrap_or(u64::MAX))
    }

    /// Whether there may be some that are not kept.
    #[must_use]
    pub fn has_untracked(&self) -> bool {
        self.untracked > 0
    }

    /// Whether it is one of these.
    #[must_use]
    pub fn holds(&self, context: u32) -> bool {
        self.place(context).is_ok()
    }

    /// The connections that Envoy is to be asked about now: each once per report interval, in turn.
    pub fn due_for_refresh(&mut self, now_us: u64, config: &Config) -> Vec<u32> {
        let pause_us = config.report_interval_ms.saturating_mul(1_000);
        let is_due = |connection: &&Connection| {
            !connection.carries_http && now_us.saturating_sub(connection.refreshed_us) >= pause_us
        };
        let start = self.place(self.next).unwrap_or_else(|place| place);
        let (before, after) = self.kept.split_at_checked(start).unwrap_or_default();
        let due = after.iter().chain(before).filter(is_due).take(REFRESHES_MAX);
        let due: Vec<u32> = due.map(|connection| connection.context).collect();
        self.next = due.last().map_or(self.next, |last| last.wrapping_add(1));
        due
    }

    /// Between whom a connection is, when it was told.
    #[must_use]
    pub fn edge(&self, context: u32) -> Option<&Rc<Edge>> {
        let connection = self.kept.get(self.place(context).ok()?)?;
        connection.told.as_ref().map(|told| &told.edge)
    }

    /// Envoy said what a connection has moved by now. Returns whether a row waits for it.
    pub fn moved(&mut self, context: u32, edge: &Rc<Edge>, stats: &RequestStats, now_us: u64) -> bool {
        let Ok(place) = self.place(context) else { return false };
        let Some(connection) = self.kept.get_mut(place) else { return false };
        connection.refreshed_us = now_us;
        let opened = u64::from(connection.told.is_none());
        let (request_bytes, response_bytes) = since(connection.told.as_ref(), stats);
        if opened == 0 && request_bytes == 0 && response_bytes == 0 {
            return false;
        }
        let Some(edge) = self.deltas.add(edge, opened, (request_bytes, response_bytes)) else { return false };
        connection.told = Some(ReportedBytes {
            edge,
            request_bytes: stats.request_bytes,
            response_bytes: stats.response_bytes,
        });
        true
    }

    /// There is nothing to tell of a connection yet.
    pub fn looked(&mut self, context: u32, now_us: u64) {
        if let Some(connection) = self.place(context).ok().and_then(|place| self.kept.get_mut(place)) {
            connection.refreshed_us = now_us;
        }
    }

    /// A connection carries HTTP: nothing is ever told of it.
    pub fn carries_http(&mut self, context: u32) {
        if let Some(connection) = self.place(context).ok().and_then(|place| self.kept.get_mut(place)) {
            connection.carries_http = true;
        }
    }

    fn place(&self, context: u32) -> Result<usize, usize> {
        self.kept.binary_search_by_key(&context, |connection| connection.context)
    }
}

/// What has moved since it was told.
#[must_use]
pub fn since(told: Option<&ReportedBytes>, stats: &RequestStats) -> (u64, u64) {
    let (request_bytes, response_bytes) =
        told.map_or((0, 0), |told| (told.request_bytes, told.response_bytes));
    (stats.request_bytes.saturating_sub(request_bytes), stats.response_bytes.saturating_sub(response_bytes))
}

#[cfg(test)]
mod tests;
