//! `hopscope audit`.

use super::client::Collector;
use super::{answer, table};
use crate::api::{Proxies, ProxyRow};
use std::process::ExitCode;

/// How to show it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let books: Proxies = arguments.collector.get("/api/v1/proxies").await?;
    if arguments.json {
        answer(&format!("{}\n", serde_json::to_string_pretty(&books)?));
    } else {
        answer(&text(&books));
    }
    let balanced = books.proxies.iter().all(|row| row.unaccounted == 0);
    Ok(if balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(books: &Proxies) -> String {
    let head = [
        "proxy",
        "seen",
        "delivered",
        "folded",
        "dropped",
        "in flight",
        "unaccounted",
        "repeats",
        "dropped why",
    ];
    let cells = |row: &ProxyRow| {
        let name = if row.proxy.is_empty() { "total" } else { &row.proxy };
        let drops = row.drops.iter().map(|(reason, count)| format!("{reason}={count}"));
        vec![
            name.to_owned(),
            row.seen.to_string(),
            row.delivered.to_string(),
            row.folded.to_string(),
            row.dropped.to_string(),
            row.in_flight.to_string(),
            row.unaccounted.to_string(),
            row.duplicates.to_string(),
            drops.collect::<Vec<_>>().join(" "),
        ]
    };
    let rows: Vec<_> = books.proxies.iter().chain([&books.total]).map(cells).collect();
    table::render(&head, &rows)
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::api::{Proxies, ProxyRow};

    #[test]
    fn the_sum_stands_last() {
        let row = ProxyRow { seen: 3, delivered: 2, in_flight: 1, ..ProxyRow::default() };
        let proxies = vec![ProxyRow { proxy: "sidecar~a".into(), ..row.clone() }];
        let expected = "\
proxy      seen  delivered  folded  dropped  in flight  unaccounted  repeats  dropped why
sidecar~a     3          2       0        0          1            0        0
total         3          2       0        0          1            0        0
";
        assert_eq!(text(&Proxies { proxies, total: row }), expected);
    }
}
