//! `/api/v1/tcp`: one row per series of TCP connections.
//!
//! Invariant: `closed` of all rows adds up to the connections that are counted and not expired.

use super::labels::{EdgeLabels, OutcomeLabels};
use super::page::{Page, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::aggregate::Key;
use hopscope_core::aggregate::connections::Counts;
use serde::{Deserialize, Serialize};

pub(crate) const PATH: &str = "/api/v1/tcp";

/// Parameters of a request.
pub(crate) struct Query {
    page: Page<usize>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        Ok(Self { page: Page::read(parameters, "tcp")? })
    }
}

/// One page of the series, in the order of their slots.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRows {
    /// One row per edge and result.
    pub connections: Vec<ConnectionRow>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One series. Labels as in `/metrics`; durations in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// Source and destination.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Result of the connections.
    #[serde(flatten)]
    pub outcome: OutcomeLabels,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Bytes to the clients.
    pub sent_bytes: u64,
    /// Bytes from the clients.
    pub received_bytes: u64,
    /// Whether the connections count as failed: a response flag.
    pub failed: bool,
    /// Median duration of the closed connections.
    pub duration_p50_us: f64,
    /// Longest duration.
    pub duration_max_us: u64,
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<ConnectionRows> {
    let (series, next_cursor) = view.page(&query.page, |engine, slot, _| {
        let (series, end) = engine.connections().slot(engine.edges(), slot);
        let copied = series.map(|(key, series)| (key, series.counts.clone()));
        let next = slot.saturating_add(1);
        (copied.into_iter().collect(), (next < end).then_some(next))
    })?;
    let connections = series.iter().map(|(key, counts)| row(key, counts)).collect();
    Some(ConnectionRows { connections, next_cursor })
}

fn row(key: &Key, counts: &Counts) -> ConnectionRow {
    let durations = counts.durations.histogram();
    ConnectionRow {
        edge: EdgeLabels::of(key),
        outcome: OutcomeLabels::of(key),
        opened: counts.opened,
        closed: counts.closed(),
        sent_bytes: counts.response_bytes,
        received_bytes: counts.request_bytes,
        failed: matches!(key, Key::Edge(_, outcome) if outcome.is_failure()),
        duration_p50_us: durations.quantile(0.5),
        duration_max_us: durations.max(),
    }
}
