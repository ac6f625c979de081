//! `hopscope validate`.

use super::answer;
use crate::config::{Problem, Source, source};
use anyhow::Context;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which file.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file; `-` is standard input. Environment and options play no part.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, json } = arguments;
    let name = file.display().to_string();
    let problems = match Source::of_file(file).load() {
        Ok(_) => Vec::new(),
        Err(source::Error::Invalid(problems)) => problems,
        Err(error) => return Err(error).context("failed to validate"),
    };
    answer(&if json { document(&name, &problems) } else { text(&name, &problems) });
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(name: &str, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{problem}");
    }
    if problems.is_empty() {
        text = format!("{name}: valid\n");
    }
    text
}

fn document(name: &str, problems: &[Problem]) -> String {
    let list: Vec<Value> = problems.iter().map(Problem::json).collect();
    let document = json!({"file": name, "valid": list.is_empty(), "problems": list});
    format!("{document:#}\n")
}
