//! `hopscope audit`.

use super::client::Collector;
use super::{answer, table};
use crate::http::{FilterRow, Proxies, ProxyRow};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How to show it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// Only what changed in this time, such as 90s, 15m, 2h or 1d. The collector remembers a day, in steps of 5 minutes,
    /// and says from when on it counted.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = match arguments.since {
        Some(since) => format!("/api/v1/proxies?since_s={}", since.as_secs()),
        None => "/api/v1/proxies".to_owned(),
    };
    let books: Proxies = arguments.collector.get(&path).await?;
    if arguments.json {
        answer(&format!("{}\n", serde_json::to_string_pretty(&books)?));
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        answer(&text(&books, now));
    }
    let is_open = |row: &ProxyRow| row.unaccounted != 0 || row.missing != 0;
    Ok(if books.proxies.iter().any(is_open) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A number with its unit.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let found = units.into_iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds)
    });
    found.map(Duration::from_secs).ok_or("a time is a whole number with s, m, h or d, such as 15m")
}

fn text(books: &Proxies, now: Duration) -> String {
    let head = [
        "proxy",
        "now",
        "seen",
        "delivered",
        "folded",
        "dropped",
        "missing",
        "in flight",
        "unaccounted",
        "repeats",
        "uncertain",
        "dropped why",
    ];
    let cells = |row: &ProxyRow| {
        let name = if row.proxy.is_empty() { "total" } else { &row.proxy };
        let drops = row.drops.iter().map(|(reason, count)| format!("{reason}={count}"));
        vec![
            name.to_owned(),
            row.state.clone(),
            row.seen.to_string(),
            row.delivered.to_string(),
            row.folded.to_string(),
            row.dropped.to_string(),
            row.missing.to_string(),
            row.in_flight.to_string(),
            row.unaccounted.to_string(),
            row.duplicates.to_string(),
            row.uncertain.to_string(),
            drops.collect::<Vec<_>>().join(" "),
        ]
    };
    let rows: Vec<_> = books.proxies.iter().chain([&books.total]).map(cells).collect();
    let since = books.since_us.map(|since_us| {
        let minutes = now.saturating_sub(Duration::from_micros(since_us)).as_secs().div_ceil(60);
        format!("the last {minutes} min:\n")
    });
    since.unwrap_or_default() + &table::render(&head, &rows) + &drift(&books.filters)
}

/// What to say of filters that are not alike.
fn drift(filters: &[FilterRow]) -> String {
    if filters.len() < 2 {
        return String::new();
    }
    let row = |row: &FilterRow| {
        let more = if row.proxies > row.named.len() as u64 { ", …" } else { "" };
        let FilterRow { filter_version, config_hash, proxies, named } = row;
        format!(
            "  {proxies} with version {filter_version}, configuration {config_hash} ({}{more})\n",
            named.join(", ")
        )
    };
    format!("\nthe filters are not alike:\n{}", filters.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{duration, text};
    use crate::http::{FilterRow, Proxies, ProxyRow};
    use std::time::Duration;

    #[test]
    fn the_sum_stands_last() {
        let row = ProxyRow { seen: 3, delivered: 2, in_flight: 1, ..ProxyRow::default() };
        let proxies = vec![ProxyRow { proxy: "sidecar~a".into(), state: "blind".into(), ..row.clone() }];
        let filter = |config_hash: &str, proxies, named: &str| FilterRow {
            filter_version: "1".into(),
            config_hash: config_hash.into(),
            proxies,
            named: vec![named.into()],
        };
        let filters = vec![filter("ab", 2, "a"), filter("cd", 1, "b")];
        let expected = "\
the last 2 min:
proxy      now    seen  delivered  folded  dropped  missing  in flight  unaccounted  repeats  uncertain  dropped why
sidecar~a  blind     3          2       0        0        0          1            0        0          0
total                3          2       0        0        0          1            0        0          0

the filters are not alike:
  2 with version 1, configuration ab (a, …)
  1 with version 1, configuration cd (b)
";
        let books = Proxies { since_us: Some(5_000_000), proxies, total: row, filters };
        assert_eq!(text(&books, Duration::from_secs(66)), expected);
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
