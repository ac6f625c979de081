//! `hopscope instances`.

use super::edge_filter::{self, EdgeQuery};
use super::table::{self, Column};
use crate::http::{InstanceRow, Instances};
use std::process::ExitCode;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    query: EdgeQuery,
    /// Only instances with a higher failure rate than the other instances of their edge.
    #[arg(long)]
    worse: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut answer: Instances = arguments.query.collector.list("/api/v1/instances").await?;
    answer.instances.retain(|row| arguments.matches(row));
    answer.instances.sort_by_cached_key(|row| (row.edge.clone(), row.instance.clone()));
    arguments.query.output.write(&answer, |answer| table::render(&columns(), &answer.instances))?;
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn matches(&self, row: &InstanceRow) -> bool {
        let is_worse = row.failed_share > row.rest_failed_share.unwrap_or(1.0);
        self.query.filter.matches(&row.edge) && (!self.worse || is_worse)
    }
}

fn columns() -> [Column<InstanceRow>; 10] {
    let [source, destination, service, reporter] = edge_filter::reported_columns("service");
    [
        source,
        destination,
        service,
        reporter,
        ("instance", |row| row.instance.clone()),
        ("requests", |row| row.requests.to_string()),
        ("failed %", |row| percent(Some(row.failed_share))),
        ("others %", |row| percent(row.rest_failed_share)),
        ("mean ms", |row| ms(Some(row.duration_us_mean))),
        ("others ms", |row| ms(row.rest_duration_us_mean)),
    ]
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}", share * 100.0))
}

fn ms(us: Option<f64>) -> String {
    us.map_or_else(|| "-".to_owned(), table::ms)
}

#[cfg(test)]
mod tests {
    use super::{columns, table};
    use crate::cli::edge_filter::example;
    use crate::http::InstanceRow;

    #[test]
    fn an_instance_is_shown_beside_the_other_instances() {
        let row = |instance: &str, failed_share: f64, rest_failed_share: Option<f64>| InstanceRow {
            edge: example(),
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
        let rows = [row("pay-1.shop", 0.5, Some(0.005)), row("unknown", 0.0, None)];
        assert_eq!(table::render(&columns(), &rows), expected);
    }
}
