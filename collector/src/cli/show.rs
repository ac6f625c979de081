//! `hopscope show`.

use super::client::Collector;
use super::failure;
use super::output::{Output, has_colour};
use crate::http::{FailureRow, FailureRows};
use hopscope_core::batch::request_id_hash;
use std::process::ExitCode;

/// Which request.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("request").required(true))]
pub(super) struct Arguments {
    #[command(flatten)]
    collector: Collector,
    /// Request id, the value of the header `x-request-id`.
    #[arg(value_name = "REQUEST-ID", group = "request")]
    id: Option<String>,
    /// Hash of the request id instead: eight hexadecimal digits, from `hopscope tail` or from an
    /// exemplar.
    #[arg(long, value_name = "HASH", group = "request", value_parser = hash)]
    hash: Option<u32>,
    #[command(flatten)]
    output: Output,
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
    let path = format!("/api/v1/failures?request_id_hash={hash:08x}");
    let FailureRows { mut failures, .. } = arguments.collector.list(&path).await?;
    failures.sort_by_key(|row| (row.start_us, row.number));
    let colour = has_colour(&std::io::stdout());
    let text = |failures: &Vec<FailureRow>| {
        failures.iter().map(|row| format!("{}\n", failure::line(row, colour))).collect()
    };
    arguments.output.write(&failures, text)?;
    if failures.is_empty() {
        eprintln!("no failure is stored for the request id hash {hash:08x}");
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
    fn a_request_id_is_hashed_as_in_the_filter_and_a_hash_is_used_unchanged() {
        let wanted = |line: &[&str]| Line::try_parse_from(line).map(|line| line.arguments.wanted()).ok();
        assert_eq!(wanted(&["show", "0f6f1b4e-2222-9333-8444-555566667777"]), Some(0x0d2c_b82b));
        assert_eq!(wanted(&["show", "--hash", "0d2cb82b"]), Some(0x0d2c_b82b));
        assert_eq!(wanted(&["show", "--hash", "xyz"]), None);
        assert_eq!((wanted(&["show"]), wanted(&["show", "a", "--hash", "1"])), (None, None));
    }
}
