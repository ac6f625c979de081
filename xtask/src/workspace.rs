//! Where things are.
//!
//! In: nothing. Out: paths and cargo commands. Always holds: paths are absolute.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the top `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path))
}

/// The folder of one installed tool; the version is part of its name, so a new one is a new folder.
pub(crate) fn tool(name: &str, version: &str) -> PathBuf {
    target().join("tools").join(format!("{name}-{version}"))
}

/// A cargo command in this workspace.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    // What cargo told us of ourselves: build scripts that look at it (ring's) would run anew each time.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// A program of this workspace as `cargo build` leaves it.
pub(crate) fn binary(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// As [`binary`], of `cargo build --release`.
pub(crate) fn release_binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}
