//! `cargo xtask check`: every check that runs no product code.
//!
//! Invariant: the cheapest check comes first.

mod format;
mod pure_core;
mod yaml;

use crate::process;
use crate::progress::{done, step};
use crate::structure;
use crate::tools::{cargo_deny, envoy, rust_targets};
use crate::workspace::{self, cargo};
use std::process::Command;

/// Runs the checks.
pub(crate) fn run() -> anyhow::Result<()> {
    step("format", format::check)?;
    step("YAML", yaml::check)?;
    step("pure core", pure_core::check)?;
    structure::check_all()?;
    step("lints, native", || {
        process::run(&mut cargo([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))
    })?;
    step("lints, wasm", || {
        rust_targets::install("wasm32-wasip1")?;
        let filter = ["clippy", "--quiet", "--package", "hopscope-filter", "--target", "wasm32-wasip1"];
        process::run(cargo(filter).args(["--", "--deny", "warnings"]))
    })?;
    step("docs", || {
        let mut doc = cargo(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
        process::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
    })?;
    envoy_configurations()?;
    licences()?;
    done("all checks passed");
    Ok(())
}

fn envoy_configurations() -> anyhow::Result<()> {
    let envoy = envoy::install(envoy::NEWEST)?;
    step("Envoy configurations", || {
        process::run(&mut cargo(["build", "--quiet", "--package", "hopscope-mesh"]))?;
        let mut mesh = Command::new(workspace::binary("hopscope-mesh"));
        process::run(mesh.arg("validate").arg("--envoy").arg(&envoy))
    })
}

/// Checks licences, duplicates and sources. Advisories are left out: their database is on a host
/// that a build machine may not reach.
fn licences() -> anyhow::Result<()> {
    let deny = cargo_deny::install()?;
    // cargo-deny reads crates for every platform; a build fetches only those of its own.
    step("fetching crates", || process::quietly(&mut cargo(["fetch", "--quiet", "--locked"])).map(drop))?;
    step("licences, duplicates, sources", || {
        let mut command = Command::new(deny);
        command.current_dir(workspace::root()).args(["--offline", "check", "--hide-inclusion-graph"]);
        process::run(command.args(["licenses", "bans", "sources"]))
    })
}
