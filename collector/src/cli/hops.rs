//! `hopscope hops`.

use super::calls::Calls;
use super::client::Collector;
use super::{answer, table};
use crate::http::{HopRow, Hops};
use hopscope_core::join::Verdict;
use std::process::ExitCode;

/// A filter for all verdicts that are disagreements.
const DISAGREEMENT: &str = "disagreement";

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    #[command(flatten)]
    calls: Calls,
    /// Only edges with this verdict, and only this verdict of them; `disagreement` stands for all that are one.
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Option<String>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

fn verdict(text: &str) -> Result<String, String> {
    if text == DISAGREEMENT || Verdict::find(text).is_some() {
        return Ok(text.to_owned());
    }
    let known = Verdict::ALL.map(Verdict::label).join(", ");
    Err(format!("no verdict has this name; there are {known}, and {DISAGREEMENT}"))
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut answered: Hops = arguments.collector.get("/api/v1/hops").await?;
    answered.hops.retain_mut(|row| arguments.wants(row));
    if arguments.json {
        answer(&format!("{}\n", serde_json::to_string_pretty(&answered)?));
    } else {
        answer(&text(&answered));
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// Whether to show a row; takes the verdicts that are not wanted out of it.
    fn wants(&self, row: &mut HopRow) -> bool {
        let fits =
            self.calls.are_between(&row.source_workload, &row.destination_workload, &row.destination_service);
        if let Some(wanted) = &self.verdict {
            let fits = |label: &str| {
                label == wanted
                    || wanted == DISAGREEMENT && Verdict::find(label).is_some_and(Verdict::is_disagreement)
            };
            row.verdicts.retain(|label, _| fits(label));
            row.matrix.retain(|cell| fits(&cell.verdict));
        }
        fits && !row.verdicts.is_empty()
    }
}

fn text(hops: &Hops) -> String {
    let head = [
        "source",
        "destination",
        "service",
        "hops",
        "disagree",
        "verdict",
        "of them",
        "source/destination",
        "gap p50 ms",
        "gap p99 ms",
    ];
    let ms = |us: f64| format!("{:.1}", us / 1_000.0);
    let cells = |row: &HopRow| -> Vec<Vec<String>> {
        let lines = row.matrix.iter().map(|cell| {
            vec![
                format!("{}@{}", row.source_workload, row.source_version),
                format!("{}@{}", row.destination_workload, row.destination_version),
                row.destination_service.clone(),
                row.hops.to_string(),
                row.disagreements.to_string(),
                cell.verdict.clone(),
                cell.hops.to_string(),
                format!("{}/{}", cell.source, cell.destination),
                ms(row.gap_p50_us),
                ms(row.gap_p99_us),
            ]
        });
        lines.collect()
    };
    let mut text = table::render(&head, &hops.hops.iter().flat_map(cells).collect::<Vec<_>>());
    let known = |counts: &std::collections::BTreeMap<String, u64>| {
        let counts = counts.iter().filter(|(_, count)| **count > 0);
        counts.map(|(reason, count)| format!("{reason}={count}")).collect::<Vec<_>>()
    };
    let rest = [("not joinable", known(&hops.unjoinable)), ("let go early", known(&hops.evicted))];
    for (what, counts) in rest.into_iter().filter(|(_, counts)| !counts.is_empty()) {
        text.push_str(&format!("{what}: {}\n", counts.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Hops, text, verdict};
    use crate::http::HopRow;

    #[test]
    fn one_line_per_cell_of_the_matrix() {
        let cell = |verdict: &str, hops: u64| {
            serde_json::from_value(serde_json::json!({
                "source": "timed_out", "destination": "ok", "verdict": verdict, "hops": hops
            }))
            .unwrap()
        };
        let row = HopRow {
            source_workload: "shop".into(),
            source_version: "v1".into(),
            destination_workload: "pay".into(),
            destination_version: "v2".into(),
            destination_service: "pay.shop".into(),
            hops: 9,
            disagreements: 9,
            matrix: vec![cell("response_late", 9)],
            gap_p50_us: 1_500.0,
            ..HopRow::default()
        };
        let mut hops = Hops { hops: vec![row], ..Hops::default() };
        hops.unjoinable.insert("tcp".into(), 3);
        let expected = "\
source   destination  service   hops  disagree  verdict            of them  source/destination  gap p50 ms  gap p99 ms
shop@v1  pay@v2       pay.shop     9         9  response_late        9  timed_out/ok               1.5         0.0
not joinable: tcp=3
";
        assert_eq!(text(&hops), expected);
    }

    #[test]
    fn a_verdict_that_is_none_is_refused_with_a_list() {
        assert!(verdict("disagreement").is_ok() && verdict("connection_cut").is_ok());
        assert!(verdict("lost").unwrap_err().contains("request_lost"));
    }
}
