//! Formatting of all Rust files.
//!
//! `cargo fmt` follows `mod` lines only, and misses modules that a macro declares.

use crate::process;
use crate::workspace;
use anyhow::{Context, ensure};
use std::process::{Command, Stdio};

/// Checks each Rust file that git knows, except generated code.
pub(super) fn check() -> anyhow::Result<()> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listed = process::quietly(&mut git)?;
    let is_checked = |file: &&str| {
        file.ends_with(".rs") && !file.starts_with("proto/src/gen/") && workspace::root().join(file).exists()
    };
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.current_dir(workspace::root()).args(["--check", "--edition", "2024"]);
    rustfmt.args(listed.lines().filter(is_checked)).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = rustfmt.status().context("failed to start rustfmt")?;
    ensure!(
        status.success(),
        "run `cargo fmt`, and `rustfmt --edition 2024 FILE` for a file in a macro's list"
    );
    Ok(())
}
