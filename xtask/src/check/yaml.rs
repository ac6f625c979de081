//! Parses every YAML file that git tracks, each document of it.

use crate::process;
use crate::workspace;
use anyhow::{Context, bail};
use serde::de::IgnoredAny;
use std::process::Command;

/// Parses all files.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(["ls-files", "*.yaml", "*.yml"]);
    let files = process::quietly(&mut git)?;
    if files.trim().is_empty() {
        bail!("git knows no YAML file");
    }
    for file in files.lines() {
        let text = std::fs::read_to_string(workspace::root().join(file))?;
        serde_saphyr::from_multiple::<IgnoredAny>(&text)
            .with_context(|| format!("failed to parse {file}"))?;
    }
    Ok(())
}
