//! cargo-deny: licences, sources and duplicates of dependencies.

use super::cargo_install;
use std::path::PathBuf;

const VERSION: &str = "0.20.2";

/// The path of cargo-deny.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    cargo_install("cargo-deny", VERSION, "cargo-deny")
}
