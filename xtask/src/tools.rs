//! External tools, installed on first use.
//!
//! Out: the path of a tool of the pinned version.
//! Invariant: one file per tool; an interrupted installation is repeated, since a tool counts as
//! installed only when its program exists.

pub(crate) mod rust_targets;
pub(crate) mod envoy;
pub(crate) mod otelcol;
pub(crate) mod prometheus;
pub(crate) mod wasm_bindgen;
pub(crate) mod cargo_deny;
pub(crate) mod wasm_opt;

use crate::process;
use crate::progress::step;
use crate::workspace;
use std::path::{Path, PathBuf};

/// Installs a program from crates.io, unoptimised: compiling takes far longer than its runs.
fn cargo_install(package: &str, version: &str, program: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace::tool(package, version);
    let path = folder.join("bin").join(program);
    if path.exists() {
        return Ok(path);
    }
    step(&format!("installing {package} {version} (minutes, once)"), || {
        let mut command = workspace::cargo(["install", "--debug", "--quiet", "--version", version]);
        // The command runs outside the workspace, whose toolchain file asks for targets that a tool
        // does not need.
        command.arg("--root").arg(&folder).arg("--bin").arg(program).arg(package);
        command.env("CARGO_TARGET_DIR", workspace::target().join("tools-build"));
        process::run(&mut command)
    })?;
    Ok(path)
}

/// Returns the first file of this name below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let here = files.into_iter().find(|path| path.file_name().is_some_and(|n| n == name));
    here.or_else(|| folders.iter().find_map(|folder| find(folder, name)))
}
