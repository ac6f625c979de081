//! `hopscope edges`.

use super::edge_filter::{self, EdgeQuery, HasEdge, ReportedEdgeFilter};
use super::table::{self, Column, ms};
use crate::http::{ConnectionRow, ConnectionRows, EdgeRow, EdgeRows};
use serde::Serialize;
use std::process::ExitCode;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    query: EdgeQuery,
    /// Only failures: a response flag, no response, 5xx, or a gRPC status other than 0.
    #[arg(long)]
    failed: bool,
}

/// Document of `--json`.
#[derive(Debug, Serialize)]
struct Document {
    edges: Vec<EdgeRow>,
    connections: Vec<ConnectionRow>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { query: EdgeQuery { collector, filter, output }, failed } = arguments;
    let EdgeRows { edges, .. } = collector.list("/api/v1/edges").await?;
    let ConnectionRows { connections, .. } = collector.list("/api/v1/tcp").await?;
    let edges = select(edges, &filter, |row| !failed || row.failed, |row| row.outcome.clone());
    let connections = select(connections, &filter, |row| !failed || row.failed, |row| row.outcome.clone());
    output.write(&Document { edges, connections }, text)?;
    Ok(ExitCode::SUCCESS)
}

/// Selects rows, and sorts them by edge and result.
fn select<R: HasEdge, K: Ord>(
    mut rows: Vec<R>,
    filter: &ReportedEdgeFilter,
    matches: impl Fn(&R) -> bool,
    result: impl Fn(&R) -> K,
) -> Vec<R> {
    rows.retain(|row| filter.matches(row.edge()) && matches(row));
    rows.sort_by_cached_key(|row| (row.edge().clone(), result(row)));
    rows
}

fn text(Document { edges, connections }: &Document) -> String {
    let edges = table::render(&requests(), edges);
    if connections.is_empty() {
        return edges;
    }
    format!("{edges}\n{}", table::render(&tcp(), connections))
}

fn requests() -> [Column<EdgeRow>; 10] {
    let [source, destination, service, reporter] = edge_filter::reported_columns("service");
    [
        source,
        destination,
        service,
        reporter,
        ("code", |row| row.outcome.response_code.clone()),
        ("flags", |row| row.outcome.response_flags.clone()),
        ("requests", |row| row.requests.to_string()),
        ("p50 ms", |row| ms(row.duration_p50_us)),
        ("p99 ms", |row| ms(row.duration_p99_us)),
        ("peer evidence", |row| row.edge.peer_evidence.clone()),
    ]
}

fn tcp() -> [Column<ConnectionRow>; 11] {
    let [source, destination, service, reporter] = edge_filter::reported_columns("tcp service");
    [
        source,
        destination,
        service,
        reporter,
        ("flags", |row| row.outcome.response_flags.clone()),
        ("opened", |row| row.opened.to_string()),
        ("closed", |row| row.closed.to_string()),
        ("sent", |row| row.sent_bytes.to_string()),
        ("received", |row| row.received_bytes.to_string()),
        ("p50 s", |row| format!("{:.3}", row.duration_p50_us / 1_000_000.0)),
        ("peer evidence", |row| row.edge.peer_evidence.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Document, text};
    use crate::cli::edge_filter::example;
    use crate::http::{ConnectionRow, EdgeRow, OutcomeLabels};

    #[test]
    fn tcp_connections_are_below_the_requests() {
        let outcome = OutcomeLabels {
            response_code: "503".into(),
            response_flags: "UF".into(),
            ..OutcomeLabels::default()
        };
        let request = EdgeRow {
            edge: example(),
            outcome: outcome.clone(),
            requests: 20,
            duration_p50_us: 1_500.0,
            ..EdgeRow::default()
        };
        let connection = ConnectionRow {
            edge: example(),
            outcome,
            opened: 3,
            closed: 2,
            sent_bytes: 900,
            received_bytes: 70,
            duration_p50_us: 1_500_000.0,
            ..ConnectionRow::default()
        };
        let requests = "\
source   destination  service   reporter  code  flags  requests  p50 ms  p99 ms  peer evidence
shop@v1  pay@v2       pay.shop  source     503  UF           20     1.5     0.0  metadata
";
        let connections = "
source   destination  tcp service  reporter  flags  opened  closed  sent  received  p50 s  peer evidence
shop@v1  pay@v2       pay.shop     source    UF          3       2   900        70  1.500  metadata
";
        let mut document = Document { edges: vec![request], connections: vec![connection] };
        assert_eq!(text(&document), format!("{requests}{connections}"));
        document.connections.clear();
        assert_eq!(text(&document), requests);
    }
}
