//! `hopscope edges`.

use super::calls::{Calls, is_asked_for};
use super::client::Collector;
use super::{answer, table};
use crate::http::{ConnectionRow, EdgeRow};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

mod tcp;

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    #[command(flatten)]
    calls: Calls,
    /// Only what this side tells: source, destination or waypoint.
    #[arg(long, value_name = "SIDE")]
    reporter: Option<String>,
    /// Only what failed: a response flag, no response, 5xx, or a gRPC status other than 0.
    #[arg(long)]
    failed: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Edges {
    edges: Vec<EdgeRow>,
}

#[derive(Debug, Deserialize)]
struct Connections {
    connections: Vec<ConnectionRow>,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    edges: &'a [EdgeRow],
    connections: &'a [ConnectionRow],
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Edges { mut edges } = arguments.collector.get("/api/v1/edges").await?;
    let Connections { mut connections } = arguments.collector.get("/api/v1/tcp").await?;
    edges.retain(|row| arguments.wants(row.into()));
    connections.retain(|row| arguments.wants(row.into()));
    if arguments.json {
        let document = Document { edges: &edges, connections: &connections };
        answer(&format!("{}\n", serde_json::to_string_pretty(&document)?));
    } else if connections.is_empty() {
        answer(&text(&edges));
    } else {
        answer(&format!("{}\n{}", text(&edges), tcp::text(&connections)));
    }
    Ok(ExitCode::SUCCESS)
}

/// What rows are chosen by.
#[derive(Debug, Clone, Copy)]
struct Choice<'a> {
    source_workload: &'a String,
    destination_workload: &'a String,
    destination_service: &'a String,
    reporter: &'a String,
    failed: bool,
}

impl<'a> From<&'a EdgeRow> for Choice<'a> {
    fn from(row: &'a EdgeRow) -> Self {
        Self {
            source_workload: &row.source_workload,
            destination_workload: &row.destination_workload,
            destination_service: &row.destination_service,
            reporter: &row.reporter,
            failed: row.failed,
        }
    }
}

impl Arguments {
    fn wants(&self, row: Choice<'_>) -> bool {
        self.calls.are_between(row.source_workload, row.destination_workload, row.destination_service)
            && is_asked_for(self.reporter.as_ref(), &[row.reporter])
            && (!self.failed || row.failed)
    }
}

fn text(rows: &[EdgeRow]) -> String {
    let head = [
        "source",
        "destination",
        "service",
        "reporter",
        "code",
        "flags",
        "requests",
        "p50 ms",
        "p99 ms",
        "named by",
    ];
    let ms = |us: f64| format!("{:.1}", us / 1_000.0);
    let cells = |row: &EdgeRow| {
        vec![
            format!("{}@{}", row.source_workload, row.source_version),
            format!("{}@{}", row.destination_workload, row.destination_version),
            row.destination_service.clone(),
            row.reporter.clone(),
            row.response_code.clone(),
            row.response_flags.clone(),
            row.requests.to_string(),
            ms(row.duration_p50_us),
            ms(row.duration_p99_us),
            row.peer_evidence.clone(),
        ]
    };
    table::render(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}
