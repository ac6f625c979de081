//! wasm-bindgen's test runner, in the exact version of the library in the lock file.

use super::cargo_install;
use crate::workspace;
use anyhow::Context;
use std::path::PathBuf;

/// The path of the runner.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock"))?;
    let version = version_in(&lock).context("failed to find wasm-bindgen in Cargo.lock")?;
    cargo_install("wasm-bindgen-cli", version, "wasm-bindgen-test-runner")
}

fn version_in(lock: &str) -> Option<&str> {
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"wasm-bindgen\"");
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_stands_below_the_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-test\"\nversion = \"1\"\n\n[[package]]\n\
                    name = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(super::version_in(lock), Some("0.2.130"));
        assert_eq!(super::version_in(""), None);
    }
}
