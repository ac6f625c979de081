//! `/api/v1/windows` and `/api/v1/instances`: the last minutes of each edge, and of each called instance.
//!
//! In: the windows, and what is asked for. Out: rows, sorted by who calls whom. Always holds: a window without requests is left
//! out; the instances of an edge add up to its last [`INSTANCE_WINDOWS`] windows.

use hopscope_core::engine::Engine;
use hopscope_core::identity::{AddressBook, EdgeId, EdgeTable, ResolvedEdge};
use hopscope_core::recent::windows::{INSTANCE_WINDOWS, Instance, Share, Tally, WINDOW_US, WINDOWS, Windows};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Stands for instances without a name or an address, and for those that found no room.
const UNKNOWN: &str = "unknown";
const OTHERS: &str = "other";

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Of either end.
    workload: Option<String>,
    /// Host or short name.
    service: Option<String>,
    reporter: Option<String>,
}

impl Query {
    /// Reads the part of the address after `?`.
    pub(crate) fn read(query: &str) -> Result<Self, String> {
        let mut it = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = Some(percent_decode_str(value).decode_utf8_lossy().into_owned());
            match name {
                "workload" => it.workload = value,
                "service" => it.service = value,
                "reporter" => it.reporter = value,
                _ => return Err(format!("there is no `{name}`; there are workload, service, reporter")),
            }
        }
        Ok(it)
    }

    fn fits(&self, edge: &ResolvedEdge) -> bool {
        let is = |wanted: &Option<String>, values: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| values.contains(&wanted.as_str()))
        };
        let short = edge.service.host.split('.').next().unwrap_or_default();
        is(&self.workload, &[&edge.source.workload, &edge.destination.workload])
            && is(&self.service, &[&edge.service.host, &edge.service.name, short])
            && is(&self.reporter, &[edge.reporter.label()])
    }

    /// The edges that are asked for, in order.
    fn edges(&self, windows: &Windows, edges: &EdgeTable) -> Vec<(EdgeId, Arc<ResolvedEdge>)> {
        let named = windows.edges().filter_map(|edge| Some((edge, Arc::new(edges.get(edge)?))));
        let mut edges: Vec<_> = named.filter(|(_, name)| self.fits(name)).collect();
        edges.sort_by(|(_, a), (_, b)| order(a).cmp(&order(b)));
        edges
    }
}

fn order(edge: &ResolvedEdge) -> [&str; 6] {
    let ResolvedEdge { reporter, source, destination, service, .. } = edge;
    let (from, to) = ([&source.workload, &source.version], [&destination.workload, &destination.version]);
    [from[0], from[1], to[0], to[1], &service.host, reporter.label()]
}

/// An edge. Labels as in `/metrics`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeLabels {
    /// `source`, `destination` or `waypoint`.
    pub reporter: String,
    /// Who called.
    pub source_workload: String,
    /// Its namespace.
    pub source_namespace: String,
    /// Its version.
    pub source_version: String,
    /// Who was called, or meant.
    pub destination_workload: String,
    /// Its namespace.
    pub destination_namespace: String,
    /// Its version.
    pub destination_version: String,
    /// The service that was meant.
    pub destination_service: String,
}

impl From<&ResolvedEdge> for EdgeLabels {
    fn from(edge: &ResolvedEdge) -> Self {
        let ResolvedEdge { reporter, source, destination, service, .. } = edge;
        Self {
            reporter: reporter.label().to_owned(),
            source_workload: source.workload.to_string(),
            source_namespace: source.namespace.to_string(),
            source_version: source.version.to_string(),
            destination_workload: destination.workload.to_string(),
            destination_namespace: destination.namespace.to_string(),
            destination_version: destination.version.to_string(),
            destination_service: service.host.to_string(),
        }
    }
}

/// The answer of `/api/v1/windows`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowRows {
    /// The time of the answer, microseconds since the Unix epoch.
    pub now_us: u64,
    /// How long a window is.
    pub window_us: u64,
    /// How many an edge can have, that of now included.
    pub windows_max: u32,
    /// One row per edge.
    pub edges: Vec<EdgeWindows>,
}

/// The windows of an edge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeWindows {
    /// Which edge.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// The newest last.
    pub windows: Vec<WindowRow>,
}

/// One window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowRow {
    /// When it began, microseconds since the Unix epoch.
    pub start_us: u64,
    /// How many.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// All durations together.
    pub duration_us_sum: u64,
    /// The longest.
    pub duration_us_max: u64,
}

/// The answer of `/api/v1/instances`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Instances {
    /// The time of the answer, microseconds since the Unix epoch.
    pub now_us: u64,
    /// How far back it reaches, from the beginning of a window.
    pub reach_us: u64,
    /// One row per edge and instance.
    pub instances: Vec<InstanceRow>,
}

/// One called instance of an edge beside the others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceRow {
    /// Which edge.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Its pod, or what else its proxy is called; where it has none, its address; `unknown`; `other` for all that found no room.
    pub instance: String,
    /// Its address, where that was told.
    pub address: String,
    /// How many.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// All durations together.
    pub duration_us_sum: u64,
    /// The longest.
    pub duration_us_max: u64,
    /// From 0 to 1.
    pub failed_share: f64,
    /// That of the other instances of the edge; nothing where there is no other.
    pub rest_failed_share: Option<f64>,
    /// Microseconds.
    pub duration_us_mean: f64,
    /// That of the others.
    pub rest_duration_us_mean: Option<f64>,
}

/// The windows that are asked for.
pub(crate) fn windows(engine: &Engine, query: &Query, now_us: u64) -> WindowRows {
    let windows = engine.windows();
    let row = |(edge, name): (EdgeId, Arc<ResolvedEdge>)| {
        let windows = windows.of(edge, now_us).into_iter().map(|window| {
            let Tally { requests, failed, duration_us_sum, duration_us_max } = window.tally;
            WindowRow { start_us: window.start_us, requests, failed, duration_us_sum, duration_us_max }
        });
        EdgeWindows { edge: (&*name).into(), windows: windows.collect() }
    };
    let edges = query.edges(windows, engine.edges()).into_iter().map(row);
    let edges = edges.filter(|row| !row.windows.is_empty()).collect();
    WindowRows { now_us, window_us: WINDOW_US, windows_max: WINDOWS, edges }
}

/// The instances that are asked for.
pub(crate) fn instances(engine: &Engine, query: &Query, now_us: u64) -> Instances {
    let (windows, address_book) = (engine.windows(), engine.address_book());
    let edges = query.edges(windows, engine.edges()).into_iter();
    let rows = edges.flat_map(|(edge, name)| {
        let labels = EdgeLabels::from(&*name);
        let shares = windows.instances(edge, now_us).into_iter();
        shares.map(move |share| instance(&labels, &share, address_book))
    });
    let reach_us = WINDOW_US.saturating_mul(INSTANCE_WINDOWS.into());
    Instances { now_us, reach_us, instances: rows.collect() }
}

fn instance(edge: &EdgeLabels, share: &Share<'_>, book: &AddressBook) -> InstanceRow {
    let Share { instance, own, rest } = share;
    let (name, address) = match *instance {
        Instance::Others => (OTHERS, ""),
        Instance::At("") => (UNKNOWN, ""),
        Instance::At(address) => (book.proxy_at(address).map_or(address, |proxy| proxy), address),
    };
    InstanceRow {
        edge: edge.clone(),
        instance: pod(name).to_owned(),
        address: address.to_owned(),
        requests: own.requests,
        failed: own.failed,
        duration_us_sum: own.duration_us_sum,
        duration_us_max: own.duration_us_max,
        failed_share: own.failed_share().unwrap_or_default(),
        rest_failed_share: rest.failed_share(),
        duration_us_mean: own.duration_us_mean().unwrap_or_default(),
        rest_duration_us_mean: rest.duration_us_mean(),
    }
}

/// The pod and its namespace in a node id of Istio, `sidecar~10.0.0.1~pod.namespace~domain`; any other name as it is.
fn pod(name: &str) -> &str {
    let mut parts = name.split('~');
    match (parts.nth(2), parts.next(), parts.next()) {
        (Some(pod), Some(_), None) if !pod.is_empty() => pod,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{Query, pod};

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(pod(name), expected);
    }

    #[test]
    fn a_pod_is_known_by_the_node_id_of_its_proxy() {
        check("sidecar~10.0.0.1~pay-5d-x7.shop~shop.svc.cluster.local", "pay-5d-x7.shop");
        check("10.0.0.1", "10.0.0.1");
        check("a~b", "a~b");
        check("a~b~~d", "a~b~~d");
    }

    #[test]
    fn an_unknown_filter_is_refused_with_a_list() {
        assert!(Query::read("workload=pay&reporter=source&service=pay.shop").is_ok());
        assert!(Query::read("worklod=pay").unwrap_err().contains("workload, service, reporter"));
    }
}
