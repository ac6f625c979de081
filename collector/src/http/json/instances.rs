//! `/api/v1/instances`: each destination instance of an edge compared with the other instances.
//!
//! Invariant: the instances of an edge add up to its last [`INSTANCE_WINDOWS`] windows.

use super::edge_filter::EdgeFilter;
use super::labels::EdgeLabels;
use super::page::{Page, Row, Step, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::batch::Text;
use hopscope_core::engine::Engine;
use hopscope_core::identity::ResolvedEdge;
use hopscope_core::recent::windows::{INSTANCE_WINDOWS, Instance, InstanceShare, WINDOW_US, WindowStats};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(crate) const PATH: &str = "/api/v1/instances";

/// Name of instances without a name or an address.
const UNKNOWN: &str = "unknown";
/// Name of all instances beyond the limit.
const OTHERS: &str = "other";
/// Edge numbers without windows that one step may pass.
const SKIPPED_MAX: usize = 128;

/// Parameters of a request.
pub(crate) struct Query {
    filter: Arc<EdgeFilter>,
    page: Page<Row<usize>>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        let filter = Arc::new(EdgeFilter::read(parameters)?);
        Ok(Self { filter, page: Page::read(parameters, "instances")? })
    }
}

/// One page of the instances, in the order of the slots of their edges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Instances {
    /// Time of the answer, microseconds since the Unix epoch.
    pub now_us: u64,
    /// Time that the counts cover, from the start of a window.
    pub reach_us: u64,
    /// One row per edge, reporter and instance.
    pub instances: Vec<InstanceRow>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One destination instance of an edge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceRow {
    /// Source, destination and reporter.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Pod, or the node id of the proxy, or the address; `unknown`, and `other` for all beyond the
    /// limit.
    pub instance: String,
    /// Address, where it is known.
    pub address: String,
    /// Number of requests.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Sum of all durations.
    pub duration_us_sum: u64,
    /// Longest duration.
    pub duration_us_max: u64,
    /// Failed requests as a share, from 0 to 1.
    pub failed_share: f64,
    /// Share of failed requests of the other instances of the edge; null without others.
    pub rest_failed_share: Option<f64>,
    /// Mean duration, microseconds.
    pub duration_us_mean: f64,
    /// Mean duration of the other instances.
    pub rest_duration_us_mean: Option<f64>,
}

/// One instance as copied from the engine.
struct Copied {
    edge: Arc<ResolvedEdge>,
    /// Address; `None` for all instances beyond the limit.
    address: Option<String>,
    /// Node id of the proxy that reports from this address.
    proxy: Option<Text>,
    own: WindowStats,
    rest: WindowStats,
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<Instances> {
    let (now_us, filter) = (view.now_us, query.filter.clone());
    let step = move |engine: &Engine, at, rows_left| step(engine, &filter, at, rows_left, now_us);
    let (instances, next_cursor) = view.page(&query.page, step)?;
    let reach_us = WINDOW_US.saturating_mul(INSTANCE_WINDOWS.into());
    Some(Instances { now_us, reach_us, instances: instances.iter().map(row).collect(), next_cursor })
}

fn step(
    engine: &Engine,
    filter: &EdgeFilter,
    Row { entry, returned }: Row<usize>,
    rows_left: usize,
    now_us: u64,
) -> Step<Row<usize>, Copied> {
    let (found, next) = engine.windows().next_edge(entry, SKIPPED_MAX);
    let next = next.map(|entry| Row { entry, returned: 0 });
    let named = found.and_then(|(number, edge)| Some((number, edge, Arc::new(engine.edges().get(edge)?))));
    let Some((number, id, edge)) = named.filter(|(_, _, edge)| filter.matches(edge)) else {
        return (Vec::new(), next);
    };
    let returned = if number == entry { returned } else { 0 };
    let shares = engine.windows().instances(id, now_us);
    let rest = shares.get(returned..).unwrap_or_default();
    let rows = rest.iter().take(rows_left).map(|share| copy(engine, &edge, share)).collect();
    let returned = returned.saturating_add(rows_left);
    let next = if rest.len() > rows_left { Some(Row { entry: number, returned }) } else { next };
    (rows, next)
}

fn copy(engine: &Engine, edge: &Arc<ResolvedEdge>, share: &InstanceShare<'_>) -> Copied {
    let InstanceShare { instance, own, rest } = *share;
    let address = match instance {
        Instance::Others => None,
        Instance::At(address) => Some(address),
    };
    let proxy = address.filter(|address| !address.is_empty());
    let proxy = proxy.and_then(|address| engine.address_book().proxy_at(address)).cloned();
    Copied { edge: edge.clone(), address: address.map(str::to_owned), proxy, own, rest }
}

fn row(Copied { edge, address, proxy, own, rest }: &Copied) -> InstanceRow {
    let name = match (address.as_deref(), proxy) {
        (None, _) => OTHERS,
        (_, Some(proxy)) => pod(proxy),
        (Some(""), None) => UNKNOWN,
        (Some(address), None) => pod(address),
    };
    InstanceRow {
        edge: EdgeLabels::from(&**edge),
        instance: name.to_owned(),
        address: address.clone().unwrap_or_default(),
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

/// Returns pod and namespace of an Istio node id, `sidecar~10.0.0.1~pod.namespace~domain`. Other
/// names stay as they are.
fn pod(name: &str) -> &str {
    let mut parts = name.split('~');
    match (parts.nth(2), parts.next(), parts.next()) {
        (Some(pod), Some(_), None) if !pod.is_empty() => pod,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::pod;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(pod(name), expected);
    }

    #[test]
    fn the_node_id_of_a_proxy_contains_its_pod() {
        check("sidecar~10.0.0.1~pay-5d-x7.shop~shop.svc.cluster.local", "pay-5d-x7.shop");
        check("10.0.0.1", "10.0.0.1");
        check("a~b", "a~b");
        check("a~b~~d", "a~b~~d");
    }
}
