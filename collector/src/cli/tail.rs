//! `hopscope tail`.
//!
//! In: the store of the last failures, asked again and again. Out: one line each. Always holds: what was shown is not shown
//! again; a collector that is away for a while is asked until it is back; it ends when nobody reads on.

use super::client::Collector;
use super::failure;
use crate::http::{FailureRow, FailureRows};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Rows of one answer.
const ROWS_MAX: usize = 1_000;

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// Only calls from or to this workload.
    #[arg(long, value_name = "WORKLOAD")]
    workload: Option<String>,
    /// Only calls to this service, by host or short name.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Only what has this response flag, such as UF.
    #[arg(long, value_name = "FLAG")]
    flag: Option<String>,
    /// So many of those that are there already come first.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    lines: u64,
    /// Show what is there, and end.
    #[arg(long)]
    no_follow: bool,
    /// One JSON document per line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let path = arguments.path();
    let mut rows: FailureRows =
        arguments.collector.get(&format!("{path}limit={}", arguments.lines.max(1))).await?;
    if arguments.lines == 0 {
        rows.failures.clear();
    }
    let mut is_away = false;
    loop {
        if !arguments.show(&mut out, &rows.failures, colour)? || arguments.no_follow {
            return Ok(ExitCode::SUCCESS);
        }
        if rows.failures.len() < ROWS_MAX {
            tokio::time::sleep(PAUSE).await;
        }
        let next = rows.next;
        let asked = arguments.collector.get(&format!("{path}after={next}&limit={ROWS_MAX}")).await;
        let was_away = std::mem::replace(&mut is_away, asked.is_err());
        rows = asked.unwrap_or_else(|error| {
            if !was_away {
                eprintln!("{error:#}; asking on");
            }
            FailureRows { failures: Vec::new(), next }
        });
    }
}

impl Arguments {
    /// What to ask for, but for where to begin and how much.
    fn path(&self) -> String {
        let wanted = [("workload", &self.workload), ("service", &self.service), ("flag", &self.flag)];
        let mut path = "/api/v1/failures?".to_owned();
        for (name, value) in wanted {
            if let Some(value) = value {
                path.push_str(&format!("{name}={}&", utf8_percent_encode(value, NON_ALPHANUMERIC)));
            }
        }
        path
    }

    /// Whether anybody still reads.
    fn show(&self, out: &mut impl Write, rows: &[FailureRow], colour: bool) -> anyhow::Result<bool> {
        let mut text = String::new();
        for row in rows {
            text.push_str(&if self.json { serde_json::to_string(row)? } else { failure::line(row, colour) });
            text.push('\n');
        }
        Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use crate::http::FailureRow;
    use clap::Parser;
    use std::io::{Error, Write};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::other("closed"))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_asks_for_what_is_wanted_and_ends_when_nobody_reads() {
        let line = ["tail", "--workload", "a&b", "--flag", "UF", "--json"];
        let Line { arguments } = Line::parse_from(line);
        assert_eq!(arguments.path(), "/api/v1/failures?workload=a%26b&flag=UF&");
        let mut out = Vec::new();
        let row = FailureRow { number: 7, ..FailureRow::default() };
        assert!(arguments.show(&mut out, &[row.clone(), row.clone()], false).unwrap());
        let told = String::from_utf8(out).unwrap();
        let read: Vec<FailureRow> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, [row.clone(), row.clone()]);
        assert!(!arguments.show(&mut Closed, &[row], false).unwrap());
    }
}
