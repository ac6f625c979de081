//! `hopscope in-flight`.

use super::client::Collector;
use super::{answer, table};
use crate::http::{OpenLongRow, OpenProxyRow, OpenRows};
use std::process::ExitCode;

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// Of those that do not end only calls to this workload or service.
    #[arg(long, value_name = "WORKLOAD|SERVICE")]
    to: Option<String>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut open: OpenRows = arguments.collector.get("/api/v1/in-flight").await?;
    if let Some(to) = &arguments.to {
        open.long.retain(|row| {
            let short = row.destination_service.split('.').next().unwrap_or_default();
            [&row.destination_workload, &row.destination_service, short].contains(&to.as_str())
        });
    }
    if arguments.json {
        answer(&format!("{}\n", serde_json::to_string_pretty(&open)?));
    } else {
        answer(&text(&open));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(open: &OpenRows) -> String {
    let seconds = |us: u64| format!("{}.{}", us / 1_000_000, us / 100_000 % 10);
    let proxy = |row: &OpenProxyRow| {
        let (open, long, oldest) = (row.open, row.open_long, seconds(row.oldest_age_us));
        vec![row.proxy.clone(), row.reporter.clone(), open.to_string(), long.to_string(), oldest]
    };
    let long = |row: &OpenLongRow| {
        vec![
            row.source_workload.clone(),
            format!("{}@{}", row.destination_workload, row.destination_version),
            row.destination_service.clone(),
            row.reporter.clone(),
            row.open.to_string(),
            seconds(row.oldest_age_us),
            row.request_bytes.to_string(),
            row.response_bytes.to_string(),
            row.proxy.clone(),
        ]
    };
    let head = ["proxy", "reporter", "open", "long", "oldest s"];
    let long_head = [
        "source",
        "destination",
        "service",
        "reporter",
        "open",
        "oldest s",
        "bytes in",
        "bytes out",
        "proxy",
    ];
    let proxies = table::render(&head, &open.proxies.iter().map(proxy).collect::<Vec<_>>());
    if open.long.is_empty() {
        return proxies;
    }
    let long = table::render(&long_head, &open.long.iter().map(long).collect::<Vec<_>>());
    format!("{proxies}\n{long}")
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::http::{OpenLongRow, OpenProxyRow, OpenRows};

    #[test]
    fn those_that_do_not_end_stand_below() {
        let proxy = OpenProxyRow {
            proxy: "sidecar~a".into(),
            reporter: "source".into(),
            open: 3,
            open_long: 1,
            oldest_age_us: 7_260_000,
        };
        let long = OpenLongRow {
            proxy: "sidecar~a".into(),
            reporter: "source".into(),
            source_workload: "shop".into(),
            destination_workload: "pay".into(),
            destination_version: "v1".into(),
            destination_service: "pay.shop".into(),
            open: 1,
            oldest_age_us: 7_260_000,
            request_bytes: 70,
            response_bytes: 9_000,
        };
        let expected = "\
proxy      reporter  open  long  oldest s
sidecar~a  source       3     1       7.2

source  destination  service   reporter  open  oldest s  bytes in  bytes out  proxy
shop    pay@v1       pay.shop  source       1       7.2        70       9000  sidecar~a
";
        assert_eq!(text(&OpenRows { proxies: vec![proxy], long: vec![long] }), expected);
    }
}
