//! `/api/v1/in-flight/long`: the long-running requests of each proxy, by edge.
//!
//! Invariant: a row is part of the row of its proxy and reporter in `/api/v1/in-flight`.

use super::in_flight;
use super::labels::EdgeLabels;
use super::page::{AfterProxy, Page, Row, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::identity::ResolvedEdge;
use hopscope_core::recent::in_flight::InFlight;
use serde::{Deserialize, Serialize};

pub(crate) const PATH: &str = "/api/v1/in-flight/long";

/// Parameters of a request.
pub(crate) struct Query {
    page: Page<Row<AfterProxy>>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        Ok(Self { page: Page::read(parameters, "in-flight/long")? })
    }
}

/// One page of the long-running requests, in the order of node ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongRows {
    /// One row per proxy and edge.
    pub long: Vec<LongRow>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Long-running requests of one proxy and edge. Labels as in `/metrics`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongRow {
    /// Envoy's node id.
    pub proxy: String,
    /// Source, destination and reporter.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Number of requests.
    pub in_flight: u64,
    /// Current age of the oldest request.
    pub oldest_age_us: u64,
    /// Body bytes from the clients, as of the latest report.
    pub request_bytes: u64,
    /// Body bytes to the clients, as of the latest report.
    pub response_bytes: u64,
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<LongRows> {
    let now_us = view.now_us;
    let (rows, next_cursor) = view.page(&query.page, move |engine, at, rows_left| {
        let in_flight = engine.in_flight();
        in_flight::entry(in_flight, at, rows_left, |proxy| {
            let mut edges: Vec<(ResolvedEdge, InFlight)> =
                in_flight.long_of(proxy, now_us).into_iter().collect();
            edges.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
            edges
        })
    })?;
    let long = rows.into_iter().map(|(proxy, (edge, sum))| LongRow {
        proxy: proxy.to_string(),
        edge: EdgeLabels::from(&edge),
        in_flight: sum.count,
        oldest_age_us: sum.oldest_age_us,
        request_bytes: sum.request_bytes,
        response_bytes: sum.response_bytes,
    });
    Some(LongRows { long: long.collect(), next_cursor })
}

/// Order of the edges of one proxy, so that a page continues where the last one ended.
fn order(edge: &ResolvedEdge) -> impl Ord {
    let ResolvedEdge { reporter, source, destination, service, security, evidence } = edge;
    let source = [&source.workload, &source.namespace, &source.version].map(ToString::to_string);
    let destination = [&destination.workload, &destination.namespace, &destination.version];
    let destination = destination.map(ToString::to_string);
    (reporter.label(), source, destination, service.host.to_string(), security.label(), evidence.label())
}
