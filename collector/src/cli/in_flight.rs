//! `hopscope in-flight`.

use super::edge_filter::{self, EdgeQuery};
use super::table::{self, Column};
use crate::http::{InFlightRow, InFlightRows, LongRow, LongRows};
use serde::Serialize;
use std::cmp::Reverse;
use std::process::ExitCode;

/// Document of `--json`.
#[derive(Debug, Serialize)]
struct Document {
    proxies: Vec<InFlightRow>,
    long: Vec<LongRow>,
}

pub(super) async fn run(query: EdgeQuery) -> anyhow::Result<ExitCode> {
    let EdgeQuery { collector, filter, output } = query;
    let InFlightRows { mut proxies, .. } = collector.list("/api/v1/in-flight").await?;
    let LongRows { mut long, .. } = collector.list("/api/v1/in-flight/long").await?;
    long.retain(|row| filter.matches(&row.edge));
    proxies.sort_by_key(|row| Reverse(row.oldest_age_us));
    long.sort_by_key(|row| Reverse(row.oldest_age_us));
    output.write(&Document { proxies, long }, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(Document { proxies, long }: &Document) -> String {
    let proxies = table::render(&proxy_columns(), proxies);
    if long.is_empty() {
        return proxies;
    }
    format!("{proxies}\n{}", table::render(&long_columns(), long))
}

fn proxy_columns() -> [Column<InFlightRow>; 5] {
    [
        ("proxy", |row| row.proxy.clone()),
        ("reporter", |row| row.reporter.clone()),
        ("in flight", |row| row.in_flight.to_string()),
        ("long", |row| row.in_flight_long.to_string()),
        ("oldest s", |row| seconds(row.oldest_age_us)),
    ]
}

fn long_columns() -> [Column<LongRow>; 9] {
    let [source, destination, service, reporter] = edge_filter::reported_columns("service");
    [
        source,
        destination,
        service,
        reporter,
        ("in flight", |row| row.in_flight.to_string()),
        ("oldest s", |row| seconds(row.oldest_age_us)),
        ("bytes in", |row| row.request_bytes.to_string()),
        ("bytes out", |row| row.response_bytes.to_string()),
        ("proxy", |row| row.proxy.clone()),
    ]
}

fn seconds(us: u64) -> String {
    format!("{}.{}", us / 1_000_000, us / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::{Document, text};
    use crate::cli::edge_filter::example;
    use crate::http::{InFlightRow, LongRow};

    #[test]
    fn long_running_requests_are_below_the_proxies() {
        let proxy = InFlightRow {
            proxy: "sidecar~a".into(),
            reporter: "source".into(),
            in_flight: 3,
            in_flight_long: 1,
            oldest_age_us: 7_260_000,
        };
        let long = LongRow {
            proxy: "sidecar~a".into(),
            edge: example(),
            in_flight: 1,
            oldest_age_us: 7_260_000,
            request_bytes: 70,
            response_bytes: 9_000,
        };
        let expected = "\
proxy      reporter  in flight  long  oldest s
sidecar~a  source            3     1       7.2

source   destination  service   reporter  in flight  oldest s  bytes in  bytes out  proxy
shop@v1  pay@v2       pay.shop  source            1       7.2        70       9000  sidecar~a
";
        assert_eq!(text(&Document { proxies: vec![proxy], long: vec![long] }), expected);
    }
}
