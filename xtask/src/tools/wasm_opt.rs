//! wasm-opt, from the npm package `binaryen` of the Binaryen project: it runs on Node, and needs no
//! C++ compiler.

use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = "132.0.0";

/// The path of the script that Node runs.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let folder = workspace::tool("binaryen", VERSION);
    let path = folder.join("node_modules/binaryen/bin/wasm-opt");
    if path.exists() {
        return Ok(path);
    }
    step(&format!("installing wasm-opt (binaryen {VERSION})"), || {
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new("npm");
        command.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
        command.arg("--prefix").arg(&folder).arg(format!("binaryen@{VERSION}"));
        process::quietly(&mut command).context("failed to install binaryen; Node with npm is needed")?;
        Ok(())
    })?;
    Ok(path)
}
