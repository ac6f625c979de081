//! `/api/v1/in-flight`: the requests in flight of each proxy.

use super::page::{AfterProxy, Page, Row, Step, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::batch::Text;
use hopscope_core::recent::in_flight::InFlightRequests;
use serde::{Deserialize, Serialize};

pub(crate) const PATH: &str = "/api/v1/in-flight";

/// Parameters of a request.
pub(crate) struct Query {
    page: Page<Row<AfterProxy>>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        Ok(Self { page: Page::read(parameters, "in-flight")? })
    }
}

/// One page of the proxies, in the order of their node ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightRows {
    /// One row per proxy and reporter.
    pub proxies: Vec<InFlightRow>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Requests in flight of one proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightRow {
    /// Envoy's node id.
    pub proxy: String,
    /// Reporting side: `source`, `destination` or `waypoint`.
    pub reporter: String,
    /// Number of requests.
    pub in_flight: u64,
    /// Requests that are older than the threshold of the proxy.
    pub in_flight_long: u64,
    /// Current age of the oldest request.
    pub oldest_age_us: u64,
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<InFlightRows> {
    let now_us = view.now_us;
    let (rows, next_cursor) = view.page(&query.page, move |engine, at, rows_left| {
        let in_flight = engine.in_flight();
        entry(in_flight, at, rows_left, |proxy| in_flight.of(proxy, now_us).into_iter().collect())
    })?;
    let row = |(proxy, (reporter, sum)): (Text, (hopscope_core::batch::Reporter, _))| {
        let sum: hopscope_core::recent::in_flight::InFlight = sum;
        InFlightRow {
            proxy: proxy.to_string(),
            reporter: reporter.label().to_owned(),
            in_flight: sum.count,
            in_flight_long: sum.long_count,
            oldest_age_us: sum.oldest_age_us,
        }
    };
    Some(InFlightRows { proxies: rows.into_iter().map(row).collect(), next_cursor })
}

/// Reads the rows of the proxy at a position.
pub(super) fn entry<T>(
    in_flight: &InFlightRequests,
    Row { entry: AfterProxy(last), returned }: Row<AfterProxy>,
    rows_left: usize,
    rows: impl Fn(&Text) -> Vec<T>,
) -> Step<Row<AfterProxy>, (Text, T)> {
    // A position inside a proxy carries the name of that proxy.
    let proxy = if returned > 0 { Some(&last) } else { in_flight.next_proxy(&last) };
    let Some(proxy) = proxy else { return (Vec::new(), None) };
    let mut rest = rows(proxy).into_iter().skip(returned);
    let rows: Vec<_> = rest.by_ref().take(rows_left).map(|row| (proxy.clone(), row)).collect();
    let returned = if rest.next().is_some() { returned.saturating_add(rows_left) } else { 0 };
    (rows, Some(Row { entry: AfterProxy(proxy.clone()), returned }))
}
