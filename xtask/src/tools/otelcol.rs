//! The OpenTelemetry Collector with `signal_to_metrics`, built with Go from `bench/peer`: no
//! published distribution has this selection.

use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = "0.155.0";

/// The path of the collector.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let folder = workspace::tool("otelcol", VERSION);
    let path = folder.join("otelcol");
    if path.exists() {
        return Ok(path);
    }
    step(&format!("building the OpenTelemetry Collector {VERSION}"), || {
        std::fs::create_dir_all(&folder)?;
        let mut go = Command::new("go");
        go.current_dir(workspace::root().join("bench/peer"))
            .env("CGO_ENABLED", "0")
            .args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"])
            .arg(&path);
        process::quietly(&mut go)
            .context("failed to build the OpenTelemetry Collector; Go 1.25 or later is needed")?;
        Ok(path.clone())
    })
}
