//! `hopscope show`.

use super::client::Collector;
use super::{answer, failure};
use crate::http::FailureRows;
use hopscope_core::batch::request_id_hash;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Which request.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("request").required(true))]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// The request id, as the header `x-request-id` has it.
    #[arg(value_name = "REQUEST-ID", group = "request")]
    id: Option<String>,
    /// Its hash instead, eight hexadecimal digits, as `tail` and the exemplars show it.
    #[arg(long, value_name = "HASH", group = "request", value_parser = hash)]
    hash: Option<u32>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

fn hash(text: &str) -> Result<u32, &'static str> {
    u32::from_str_radix(text, 16).map_err(|_| "a hash is eight hexadecimal digits")
}

impl Arguments {
    fn wanted(&self) -> u32 {
        self.hash.unwrap_or_else(|| request_id_hash(self.id.as_deref().unwrap_or_default()))
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let hash = arguments.wanted();
    let path = format!("/api/v1/failures?request_id_hash={hash:08x}&limit=10000");
    let mut rows: FailureRows = arguments.collector.get(&path).await?;
    rows.failures.sort_by_key(|row| (row.start_us, row.number));
    if arguments.json {
        answer(&format!("{}\n", serde_json::to_string_pretty(&rows.failures)?));
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let lines = rows.failures.iter().map(|row| format!("{}\n", failure::line(row, colour)));
        answer(&lines.collect::<String>());
    }
    if rows.failures.is_empty() {
        eprintln!("nothing that failed is kept with the hash {hash:08x}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn an_id_is_hashed_as_the_filter_does_and_a_hash_is_taken_as_it_is() {
        let wanted = |line: &[&str]| Line::try_parse_from(line).map(|line| line.arguments.wanted()).ok();
        assert_eq!(wanted(&["show", "0f6f1b4e-2222-9333-8444-555566667777"]), Some(0x0d2c_b82b));
        assert_eq!(wanted(&["show", "--hash", "0d2cb82b"]), Some(0x0d2c_b82b));
        assert_eq!(wanted(&["show", "--hash", "xyz"]), None);
        assert_eq!((wanted(&["show"]), wanted(&["show", "a", "--hash", "1"])), (None, None));
    }
}
