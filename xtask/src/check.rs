//! `cargo xtask check`: everything that can be seen without running.
//!
//! In: a clone. Out: a verdict. Always holds: the cheapest check comes first.

mod yaml;

use crate::process;
use crate::progress::{done, step};
use crate::structure;
use crate::tools::{cargo_deny, envoy, rust_targets};
use crate::workspace::{self, cargo};
use std::process::Command;

/// Runs the checks.
pub(crate) fn run() -> anyhow::Result<()> {
    step("format", || process::run(&mut cargo(["fmt", "--all", "--check"])))?;
    step("YAML", yaml::check)?;
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

/// Advisories are not looked at: their database is fetched from a place that a build machine may not reach.
fn licences() -> anyhow::Result<()> {
    let deny = cargo_deny::install()?;
    // It looks at crates for every platform, of which a build has fetched only its own.
    step("fetching crates", || process::quietly(&mut cargo(["fetch", "--quiet", "--locked"])).map(drop))?;
    step("licences, duplicates, sources", || {
        let mut command = Command::new(deny);
        command.current_dir(workspace::root()).args(["--offline", "check", "--hide-inclusion-graph"]);
        process::run(command.args(["licenses", "bans", "sources"]))
    })
}
