//! `hopscope tail`.
//!
//! Invariant: each failure is shown once. While the collector is unreachable, requests are repeated
//! until it is back. The command ends when the reader of its output closes the pipe.

use super::client::Collector;
use super::failure;
use super::output::{self, Output, has_colour};
use crate::http::{FailureRow, FailureRows};
use crate::terminal::{visible_json, visible_lines};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Time between two requests.
const PAUSE: Duration = Duration::from_secs(1);

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// Only calls from or to this workload.
    #[arg(long, value_name = "WORKLOAD")]
    workload: Option<String>,
    /// Only calls to this service, by its host, its name, or the first label of its host.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Only failures with this response flag, such as UF.
    #[arg(long, value_name = "FLAG")]
    flag: Option<String>,
    /// Stored failures to show first.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    lines: u64,
    /// Show the stored failures only, and exit.
    #[arg(long)]
    no_follow: bool,
    /// With `--json`, one document per line.
    #[command(flatten)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let colour = has_colour(&out);
    let path = arguments.path();
    let FailureRows { mut failures, mut last, .. } =
        arguments.collector.get(&format!("{path}limit={}", arguments.lines.max(1))).await?;
    if arguments.lines == 0 {
        failures.clear();
    }
    let mut is_away = false;
    loop {
        failures.reverse();
        if !arguments.show(&mut out, &failures, colour)? || arguments.no_follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(PAUSE).await;
        let answer = arguments.collector.list(&format!("{path}after={last}")).await;
        let was_away = std::mem::replace(&mut is_away, answer.is_err());
        FailureRows { failures, last, .. } = answer.unwrap_or_else(|error| {
            if !was_away {
                eprintln!("{}; trying again", visible_lines(&format!("{error:#}")));
            }
            FailureRows { last, ..FailureRows::default() }
        });
    }
}

impl Arguments {
    /// Path and parameters that select the failures.
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

    /// Writes rows. Returns whether the output is still open.
    fn show(&self, out: &mut impl Write, rows: &[FailureRow], colour: bool) -> anyhow::Result<bool> {
        let mut text = String::new();
        for row in rows {
            text.push_str(&if self.output.json {
                visible_json(&serde_json::to_string(row)?)
            } else {
                failure::line(row, colour)
            });
            text.push('\n');
        }
        output::write_to(out, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use crate::http::FailureRow;
    use clap::Parser;
    use std::io::{ErrorKind, Write};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn options_select_failures_and_a_closed_output_ends_the_command() {
        let line = ["tail", "--workload", "a&b", "--flag", "UF", "--json"];
        let Line { arguments } = Line::parse_from(line);
        assert_eq!(arguments.path(), "/api/v1/failures?workload=a%26b&flag=UF&");
        let mut out = Vec::new();
        let row = FailureRow { number: 7, ..FailureRow::default() };
        assert!(arguments.show(&mut out, &[row.clone(), row.clone()], false).unwrap());
        let text = String::from_utf8(out).unwrap();
        let read: Vec<FailureRow> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, [row.clone(), row.clone()]);
        assert!(!arguments.show(&mut Closed, &[row], false).unwrap());
    }
}
