//! `/api/v1/in-flight`: requests that have begun and not ended.
//!
//! In: what the proxies say is open. Out: rows, the oldest first. Always holds: a row of `long` is
//! part of the `proxies` row of its proxy and reporter.

use hopscope_core::batch::{Reporter, Text};
use hopscope_core::identity::ResolvedEdge;
use hopscope_core::recent::in_flight::{InFlightRequests, Open};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// All rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRows {
    /// How many each proxy has open, one row per reporter.
    pub proxies: Vec<OpenProxyRow>,
    /// Those that do not end, by proxy and edge.
    pub long: Vec<OpenLongRow>,
}

/// What one proxy has open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenProxyRow {
    /// Envoy's node id.
    pub proxy: String,
    /// `source`, `destination` or `waypoint`.
    pub reporter: String,
    /// How many.
    pub open: u64,
    /// Those that are open for longer than the proxy's threshold.
    pub open_long: u64,
    /// Age of the oldest by now.
    pub oldest_age_us: u64,
}

/// Requests of one edge that do not end. Labels as in `/metrics`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLongRow {
    /// Envoy's node id.
    pub proxy: String,
    /// `source`, `destination` or `waypoint`.
    pub reporter: String,
    /// Who called.
    pub source_workload: String,
    /// Who was called, or meant.
    pub destination_workload: String,
    /// Its version.
    pub destination_version: String,
    /// The service that was meant.
    pub destination_service: String,
    /// How many.
    pub open: u64,
    /// Age of the oldest by now.
    pub oldest_age_us: u64,
    /// What their bodies had brought a few seconds ago.
    pub request_bytes: u64,
    /// The other way.
    pub response_bytes: u64,
}

/// All rows.
pub(crate) fn rows(open: &InFlightRequests, now_us: u64) -> OpenRows {
    let mut proxies: Vec<_> = open.proxies(now_us).into_iter().map(proxy_row).collect();
    proxies.sort_by_key(|row| Reverse(row.oldest_age_us));
    let mut long: Vec<_> = open.long(now_us).into_iter().map(long_row).collect();
    long.sort_by(|a, b| {
        let place = |row: &OpenLongRow| (Reverse(row.oldest_age_us), row.proxy.clone());
        place(a).cmp(&place(b))
    });
    OpenRows { proxies, long }
}

fn proxy_row(((proxy, reporter), open): ((Text, Reporter), Open)) -> OpenProxyRow {
    OpenProxyRow {
        proxy: proxy.to_string(),
        reporter: reporter.label().to_owned(),
        open: open.count,
        open_long: open.long_count,
        oldest_age_us: open.oldest_age_us,
    }
}

fn long_row(((proxy, edge), open): ((Text, ResolvedEdge), Open)) -> OpenLongRow {
    OpenLongRow {
        proxy: proxy.to_string(),
        reporter: edge.reporter.label().to_owned(),
        source_workload: edge.source.workload.to_string(),
        destination_workload: edge.destination.workload.to_string(),
        destination_version: edge.destination.version.to_string(),
        destination_service: edge.service.host.to_string(),
        open: open.count,
        oldest_age_us: open.oldest_age_us,
        request_bytes: open.request_bytes,
        response_bytes: open.response_bytes,
    }
}

/// Open requests and the oldest age of each proxy, all reporters together.
pub(crate) fn by_proxy(open: &InFlightRequests, now_us: u64) -> BTreeMap<Text, Open> {
    let mut proxies: BTreeMap<Text, Open> = BTreeMap::new();
    for ((proxy, _), open) in open.proxies(now_us) {
        proxies.entry(proxy).or_default().add(open);
    }
    proxies
}
