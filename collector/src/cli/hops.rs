//! `hopscope hops`.

use super::client::Collector;
use super::edge_filter::{self, EdgeFilter, HasEdge};
use super::output::Output;
use super::table::{self, Column, ms};
use crate::http::{EdgeLabels, HopRow, Hops, MatrixCell};
use crate::terminal::visible;
use hopscope_core::join::Verdict;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Value of `--verdict` for all verdicts that are disagreements.
const DISAGREEMENT: &str = "disagreement";

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    #[command(flatten)]
    filter: EdgeFilter,
    /// Only hops with this verdict; `disagreement` selects all verdicts that are disagreements.
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Option<String>,
    #[command(flatten)]
    output: Output,
}

fn verdict(text: &str) -> Result<String, String> {
    if text == DISAGREEMENT || Verdict::find(text).is_some() {
        return Ok(text.to_owned());
    }
    let known = Verdict::ALL.map(Verdict::label).join(", ");
    Err(format!("unknown verdict: allowed are {known}, and {DISAGREEMENT}"))
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut answer: Hops = arguments.collector.list("/api/v1/hops").await?;
    answer.hops.retain_mut(|row| arguments.select(row));
    answer.hops.sort_by(|a, b| a.edge.cmp(&b.edge));
    arguments.output.write(&answer, text)?;
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// Removes the other verdicts from a row. Returns whether to show the row.
    fn select(&self, row: &mut HopRow) -> bool {
        if let Some(wanted) = &self.verdict {
            let matches = |label: &str| {
                label == wanted
                    || wanted == DISAGREEMENT && Verdict::find(label).is_some_and(Verdict::is_disagreement)
            };
            row.verdicts.retain(|label, _| matches(label));
            row.matrix.retain(|cell| matches(&cell.verdict));
        }
        self.filter.matches(&row.edge) && !row.verdicts.is_empty()
    }
}

/// One cell of the matrix of an edge.
struct Line<'a> {
    row: &'a HopRow,
    cell: &'a MatrixCell,
}

impl HasEdge for Line<'_> {
    fn edge(&self) -> &EdgeLabels {
        &self.row.edge
    }
}

fn text(hops: &Hops) -> String {
    let lines = hops.hops.iter().flat_map(|row| row.matrix.iter().map(move |cell| Line { row, cell }));
    let mut text = table::render(&columns(), &lines.collect::<Vec<_>>());
    let rest = [("not joinable", &hops.unjoinable), ("evicted", &hops.evicted)];
    for (name, counts) in rest {
        let counts = nonzero(counts);
        if !counts.is_empty() {
            text.push_str(&format!("{name}: {}\n", visible(&counts)));
        }
    }
    text
}

fn columns<'a>() -> [Column<Line<'a>>; 10] {
    let [source, destination, service] = edge_filter::columns("service");
    [
        source,
        destination,
        service,
        ("hops", |line| line.row.hops.to_string()),
        ("disagree", |line| line.row.disagreements.to_string()),
        ("verdict", |line| line.cell.verdict.clone()),
        ("verdict hops", |line| line.cell.hops.to_string()),
        ("source/destination", |line| format!("{}/{}", line.cell.source, line.cell.destination)),
        ("gap p50 ms", |line| ms(line.row.gap_p50_us)),
        ("gap p99 ms", |line| ms(line.row.gap_p99_us)),
    ]
}

/// `reason=count` of all counts above 0.
fn nonzero(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    counts.map(|(reason, count)| format!("{reason}={count}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Hops, text, verdict};
    use crate::cli::edge_filter::example;
    use crate::http::{EdgeLabels, HopRow, MatrixCell};

    #[test]
    fn one_line_per_cell_of_the_matrix() {
        let cell = MatrixCell {
            source: "timed_out".into(),
            destination: "ok".into(),
            verdict: "response_late".into(),
            hops: 9,
        };
        let row = HopRow {
            edge: EdgeLabels { reporter: String::new(), ..example() },
            hops: 9,
            disagreements: 9,
            matrix: vec![cell],
            gap_p50_us: 1_500.0,
            ..HopRow::default()
        };
        let mut hops = Hops { hops: vec![row], ..Hops::default() };
        hops.unjoinable.insert("tcp".into(), 3);
        let head = "source   destination  service   hops  disagree  verdict        verdict hops  \
                    source/destination  gap p50 ms  gap p99 ms\n";
        let line = "shop@v1  pay@v2       pay.shop     9         9  response_late             9  \
                    timed_out/ok               1.5         0.0\n";
        assert_eq!(text(&hops), format!("{head}{line}not joinable: tcp=3\n"));
    }

    #[test]
    fn an_unknown_verdict_is_an_error_with_a_list() {
        assert!(verdict("disagreement").is_ok() && verdict("connection_cut").is_ok());
        assert!(verdict("lost").unwrap_err().contains("request_lost"));
    }
}
