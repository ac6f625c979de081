//! Options that select edges, and the columns that describe an edge.

use super::client::Collector;
use super::output::Output;
use super::table::Column;
use crate::http::EdgeLabels;

/// Which calls to show.
#[derive(Debug, Default, clap::Args)]
pub(super) struct EdgeFilter {
    /// Only calls from this workload.
    #[arg(long, value_name = "WORKLOAD")]
    from: Option<String>,
    /// Only calls to this workload or service. A service is its host, or the first label of its
    /// host.
    #[arg(long, value_name = "WORKLOAD|SERVICE")]
    to: Option<String>,
}

/// Which calls to show, for lists that name the reporter.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ReportedEdgeFilter {
    #[command(flatten)]
    edge: EdgeFilter,
    /// Only what proxies on this side of the call report.
    #[arg(long, value_name = "SIDE", value_parser = ["source", "destination", "waypoint"])]
    reporter: Option<String>,
}

/// Options of a list of edges: the collector, the calls to show, and the format.
#[derive(Debug, clap::Args)]
pub(super) struct EdgeQuery {
    #[command(flatten)]
    pub(super) collector: Collector,
    #[command(flatten)]
    pub(super) filter: ReportedEdgeFilter,
    #[command(flatten)]
    pub(super) output: Output,
}

impl EdgeFilter {
    /// Returns whether to show an edge.
    pub(super) fn matches(&self, edge: &EdgeLabels) -> bool {
        let short = edge.destination_service.split('.').next().unwrap_or_default();
        is_one_of(self.from.as_ref(), &[&edge.source_workload])
            && is_one_of(self.to.as_ref(), &[&edge.destination_workload, &edge.destination_service, short])
    }
}

impl ReportedEdgeFilter {
    /// Returns whether to show an edge.
    pub(super) fn matches(&self, edge: &EdgeLabels) -> bool {
        self.edge.matches(edge) && is_one_of(self.reporter.as_ref(), &[&edge.reporter])
    }
}

/// Returns whether one of the values is the wanted one. Without a wanted one, all values match.
fn is_one_of(wanted: Option<&String>, values: &[&str]) -> bool {
    wanted.is_none_or(|wanted| values.contains(&wanted.as_str()))
}

/// Row of a list that has an edge.
pub(super) trait HasEdge {
    fn edge(&self) -> &EdgeLabels;
}

macro_rules! has_edge {
    ($($row:ident),+ $(,)?) => {
        $(impl HasEdge for crate::http::$row {
            fn edge(&self) -> &EdgeLabels {
                &self.edge
            }
        })+
    };
}

has_edge!(EdgeRow, ConnectionRow, HopRow, InstanceRow, LongRow, FailureRow);

/// Columns for source, destination and service. `service` is the head of the last one.
pub(super) fn columns<R: HasEdge>(service: &'static str) -> [Column<R>; 3] {
    [
        ("source", |row| source(row.edge())),
        ("destination", |row| destination(row.edge())),
        (service, |row| row.edge().destination_service.clone()),
    ]
}

/// Columns for source, destination, service and the reporting side.
pub(super) fn reported_columns<R: HasEdge>(service: &'static str) -> [Column<R>; 4] {
    let [source, destination, service] = columns(service);
    [source, destination, service, ("reporter", |row| row.edge().reporter.clone())]
}

/// `workload@version` of the caller.
pub(super) fn source(edge: &EdgeLabels) -> String {
    format!("{}@{}", edge.source_workload, edge.source_version)
}

/// `workload@version` of the destination.
pub(super) fn destination(edge: &EdgeLabels) -> String {
    format!("{}@{}", edge.destination_workload, edge.destination_version)
}

/// Edge for the tests of the commands: `shop@v1` calls `pay@v2` as `pay.shop`.
#[cfg(test)]
pub(super) fn example() -> EdgeLabels {
    EdgeLabels {
        source_workload: "shop".into(),
        source_version: "v1".into(),
        destination_workload: "pay".into(),
        destination_version: "v2".into(),
        destination_service: "pay.shop".into(),
        reporter: "source".into(),
        peer_evidence: "metadata".into(),
        ..EdgeLabels::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{EdgeFilter, ReportedEdgeFilter, example};

    #[test]
    fn an_edge_is_selected_by_workload_service_and_reporter() {
        let filter = |from: Option<&str>, to: Option<&str>, reporter: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let edge = EdgeFilter { from: text(from), to: text(to) };
            ReportedEdgeFilter { edge, reporter: text(reporter) }.matches(&example())
        };
        assert!(filter(None, None, None) && filter(Some("shop"), Some("pay"), Some("source")));
        assert!(filter(None, Some("pay.shop"), None));
        assert!(!filter(Some("pay"), None, None) && !filter(None, Some("shop"), None));
        assert!(!filter(None, None, Some("destination")));
    }
}
