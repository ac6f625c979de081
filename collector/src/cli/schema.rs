//! `hopscope schema`.

use super::output;
use crate::config::{Config, schema};
use std::process::ExitCode;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    output::write(&format!("{}\n", serde_json::to_string_pretty(&schema::schema::<Config>())?))?;
    Ok(ExitCode::SUCCESS)
}
