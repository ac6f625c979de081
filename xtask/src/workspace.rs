//! Paths of the workspace, and cargo commands in it.
//!
//! Invariant: paths are absolute.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path))
}

/// The folder of one installed tool. The version is part of its name, so a new version is a new
/// folder.
pub(crate) fn tool(name: &str, version: &str) -> PathBuf {
    target().join("tools").join(format!("{name}-{version}"))
}

/// Returns a cargo command in this workspace.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    // Cargo sets these for this program: build scripts that read them (ring's) would run again each
    // time.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The path of a program of this workspace after `cargo build`.
pub(crate) fn binary(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// The path of a program of this workspace after `cargo build --release`.
pub(crate) fn release_binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}
