//! `/api/v1/edges`: one row per series of requests.
//!
//! Invariant: `requests` of all rows add up to the requests that are counted and not expired.

use super::labels::{EdgeLabels, OutcomeLabels};
use super::page::{Page, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::aggregate::Key;
use hopscope_core::histogram::RequestStats;
use serde::{Deserialize, Serialize};

pub(crate) const PATH: &str = "/api/v1/edges";

/// Parameters of a request.
pub(crate) struct Query {
    page: Page<usize>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        Ok(Self { page: Page::read(parameters, "edges")? })
    }
}

/// One page of the series, in the order of their slots.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeRows {
    /// One row per edge and result.
    pub edges: Vec<EdgeRow>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One series. Labels as in `/metrics`; durations in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeRow {
    /// Source and destination.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Result of the requests.
    #[serde(flatten)]
    pub outcome: OutcomeLabels,
    /// Number of requests.
    pub requests: u64,
    /// Whether the requests count as failed: a response flag, no response, 5xx, or a gRPC status
    /// other than 0.
    pub failed: bool,
    /// Median duration.
    pub duration_p50_us: f64,
    /// 99th percentile of the duration.
    pub duration_p99_us: f64,
    /// Longest duration.
    pub duration_max_us: u64,
    /// gRPC messages of the clients; 0 where they are not counted.
    pub request_messages: u64,
    /// gRPC messages to the clients.
    pub response_messages: u64,
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<EdgeRows> {
    let (series, next_cursor) = view.page(&query.page, |engine, slot, _| {
        engine.aggregate().series_in(engine.edges(), slot, 1, |series, _| Some(series.stats.clone()))
    })?;
    let edges = series.iter().map(|(key, stats)| row(key, stats)).collect();
    Some(EdgeRows { edges, next_cursor })
}

fn row(key: &Key, stats: &RequestStats) -> EdgeRow {
    let durations = stats.durations();
    let messages = stats.messages().unwrap_or_default();
    EdgeRow {
        edge: EdgeLabels::of(key),
        outcome: OutcomeLabels::of(key),
        requests: stats.count(),
        failed: matches!(key, Key::Edge(_, outcome) if outcome.is_failure()),
        duration_p50_us: durations.quantile(0.5),
        duration_p99_us: durations.quantile(0.99),
        duration_max_us: durations.max(),
        request_messages: messages.request,
        response_messages: messages.response,
    }
}
