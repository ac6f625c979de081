//! `hopscope audit`.

use super::client::Collector;
use super::output::Output;
use super::table::{self, Column};
use crate::http::{FilterRow, Proxies, ProxyRow};
use crate::terminal::visible;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// Only changes within this time, such as 90s, 15m, 2h or 1d. The collector stores the last 24
    /// h in steps of 5 minutes; the output says which time it covers.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = match arguments.since {
        Some(since) => format!("/api/v1/proxies?since_s={}", since.as_secs()),
        None => "/api/v1/proxies".to_owned(),
    };
    let ledger: Proxies = arguments.collector.list(&path).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    arguments.output.write(&ledger, |ledger| text(ledger, now))?;
    let is_unbalanced = |row: &ProxyRow| row.unaccounted != 0 || row.missing != 0;
    let is_balanced = !ledger.proxies.iter().any(is_unbalanced);
    Ok(if is_balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads a whole number with a unit.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let found = units.into_iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds)
    });
    found.map(Duration::from_secs).ok_or("a time is a whole number with s, m, h or d, such as 15m")
}

const COLUMNS: [Column<ProxyRow>; 12] = [
    ("proxy", |row| if row.proxy.is_empty() { "total".to_owned() } else { row.proxy.clone() }),
    ("state", |row| row.state.clone()),
    ("seen", |row| row.seen.to_string()),
    ("delivered", |row| row.delivered.to_string()),
    ("folded", |row| row.folded.to_string()),
    ("dropped", |row| row.dropped.to_string()),
    ("missing", |row| row.missing.to_string()),
    ("in flight", |row| row.in_flight.to_string()),
    ("unaccounted", |row| row.unaccounted.to_string()),
    ("duplicates", |row| row.duplicates.to_string()),
    ("uncertain", |row| row.uncertain.to_string()),
    ("drop reasons", |row| {
        let drops = row.drops.iter().map(|(reason, count)| format!("{reason}={count}"));
        drops.collect::<Vec<_>>().join(" ")
    }),
];

fn text(ledger: &Proxies, now: Duration) -> String {
    let rows: Vec<ProxyRow> = ledger.proxies.iter().chain(&ledger.total).cloned().collect();
    let since = ledger.since_us.map(|since_us| {
        let minutes = now.saturating_sub(Duration::from_micros(since_us)).as_secs().div_ceil(60);
        format!("the last {minutes} min:\n")
    });
    since.unwrap_or_default() + &table::render(&COLUMNS, &rows) + &drift(&ledger.filters)
}

/// Lists the filters when their versions or configurations differ.
fn drift(filters: &[FilterRow]) -> String {
    if filters.len() < 2 {
        return String::new();
    }
    let row = |row: &FilterRow| {
        let more = if row.proxies > row.named.len() as u64 { ", …" } else { "" };
        let FilterRow { filter_version, config_hash, proxies, named } = row;
        let text = format!(
            "  {proxies} with version {filter_version}, configuration {config_hash} ({}{more})",
            named.join(", ")
        );
        format!("{}\n", visible(&text))
    };
    format!("\nthe filters differ:\n{}", filters.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{duration, text};
    use crate::http::{FilterRow, Proxies, ProxyRow};
    use std::time::Duration;

    #[test]
    fn the_sum_is_the_last_row() {
        let row = ProxyRow { seen: 3, delivered: 2, in_flight: 1, ..ProxyRow::default() };
        let proxies =
            vec![ProxyRow { proxy: "sidecar~a".into(), state: "not_reporting".into(), ..row.clone() }];
        let filter = |config_hash: &str, proxies, named: &str| FilterRow {
            filter_version: "1".into(),
            config_hash: config_hash.into(),
            proxies,
            named: vec![named.into()],
        };
        let filters = vec![filter("ab", 2, "a"), filter("cd", 1, "b")];
        let expected = "\
the last 2 min:
proxy      state          seen  delivered  folded  dropped  missing  in flight  unaccounted  duplicates  uncertain  drop reasons
sidecar~a  not_reporting     3          2       0        0        0          1            0           0          0
total                        3          2       0        0        0          1            0           0          0

the filters differ:
  2 with version 1, configuration ab (a, …)
  1 with version 1, configuration cd (b)
";
        let ledger =
            Proxies { since_us: Some(5_000_000), proxies, total: Some(row), filters, ..Proxies::default() };
        assert_eq!(text(&ledger, Duration::from_secs(66)), expected);
    }

    #[test]
    fn a_time_has_a_unit() {
        let seconds = ["90s", "15m", "2h", "1d"].map(|text| duration(text).unwrap().as_secs());
        assert_eq!(seconds, [90, 900, 7_200, 86_400]);
        assert!(
            ["", "5", "m", "-1m", "1w", "99999999999999999999d"].iter().all(|text| duration(text).is_err())
        );
    }
}
