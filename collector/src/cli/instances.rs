//! `hopscope instances`.

use super::calls::{Calls, is_asked_for};
use super::client::Collector;
use super::{answer, table};
use crate::http::{InstanceRow, Instances};
use std::process::ExitCode;

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
    /// Only instances of which a greater share fails than of the others.
    #[arg(long)]
    worse: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut answered: Instances = arguments.collector.get("/api/v1/instances").await?;
    answered.instances.retain(|row| arguments.wants(row));
    if arguments.json {
        answer(&format!("{}\n", serde_json::to_string_pretty(&answered)?));
    } else {
        answer(&text(&answered.instances));
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn wants(&self, row: &InstanceRow) -> bool {
        let edge = &row.edge;
        self.calls.are_between(&edge.source_workload, &edge.destination_workload, &edge.destination_service)
            && is_asked_for(self.reporter.as_ref(), &[&edge.reporter])
            && (!self.worse || row.failed_share > row.rest_failed_share.unwrap_or(1.0))
    }
}

fn text(rows: &[InstanceRow]) -> String {
    let head = [
        "source",
        "destination",
        "service",
        "reporter",
        "instance",
        "requests",
        "failed %",
        "others %",
        "mean ms",
        "others ms",
    ];
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let percent = |share: Option<f64>| number(share.map(|share| share * 100.0));
    let ms = |us: Option<f64>| number(us.map(|us| us / 1_000.0));
    let cells = |row: &InstanceRow| {
        let edge = &row.edge;
        vec![
            format!("{}@{}", edge.source_workload, edge.source_version),
            format!("{}@{}", edge.destination_workload, edge.destination_version),
            edge.destination_service.clone(),
            edge.reporter.clone(),
            row.instance.clone(),
            row.requests.to_string(),
            percent(Some(row.failed_share)),
            percent(row.rest_failed_share),
            ms(Some(row.duration_us_mean)),
            ms(row.rest_duration_us_mean),
        ]
    };
    table::render(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::http::{EdgeLabels, InstanceRow};

    #[test]
    fn one_pod_of_several_shows_beside_the_others() {
        let row = |instance: &str, failed_share: f64, rest_failed_share: Option<f64>| InstanceRow {
            edge: EdgeLabels {
                reporter: "source".into(),
                source_workload: "shop".into(),
                source_version: "v1".into(),
                destination_workload: "pay".into(),
                destination_version: "v2".into(),
                destination_service: "pay.shop".into(),
                ..EdgeLabels::default()
            },
            instance: instance.into(),
            requests: 20,
            failed_share,
            rest_failed_share,
            duration_us_mean: 1_500.0,
            ..InstanceRow::default()
        };
        let expected = "\
source   destination  service   reporter  instance    requests  failed %  others %  mean ms  others ms
shop@v1  pay@v2       pay.shop  source    pay-1.shop        20      50.0       0.5      1.5          -
shop@v1  pay@v2       pay.shop  source    unknown           20       0.0         -      1.5          -
";
        assert_eq!(text(&[row("pay-1.shop", 0.5, Some(0.005)), row("unknown", 0.0, None)]), expected);
    }
}
