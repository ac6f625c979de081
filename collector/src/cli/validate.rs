//! `hopscope validate`.

use super::output::Output;
use crate::config::{Problem, Source, source};
use crate::terminal::visible;
use anyhow::Context;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// File to check.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file; `-` is standard input. Environment and options are not considered.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, output } = arguments;
    let name = file.display().to_string();
    let problems = match Source::of_file(file).load() {
        Ok(_) => Vec::new(),
        Err(source::Error::Invalid(problems)) => problems,
        Err(error) => return Err(error).context("failed to validate"),
    };
    output.write(&document(&name, &problems), |_| text(&name, &problems))?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(name: &str, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{problem}");
    }
    if problems.is_empty() {
        text = format!("{}: valid\n", visible(name));
    }
    text
}

fn document(name: &str, problems: &[Problem]) -> Value {
    let list: Vec<Value> = problems.iter().map(Problem::json).collect();
    json!({"file": name, "valid": list.is_empty(), "problems": list})
}
