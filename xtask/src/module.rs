//! The Wasm module that every sidecar loads.
//!
//! In: the filter's sources.
//! Out: `target/hopscope_filter.wasm`.
//! Invariant: the module exports only the callbacks that the filter implements. Envoy enters a VM
//! for every callback that a module exports, and the SDK exports all of them. So the linker drops
//! the SDK's exports ([`link`]), the filter's own entry points get the names that Envoy calls, and
//! the code that prints a panic is removed ([`silence`]). Every proxy compiles the whole module: a
//! kilobyte less code is 40 to 60 kB less memory in each.

pub(crate) mod link;
mod silence;
pub(crate) mod trap;

use crate::process;
use crate::progress::{remark, step};
use crate::tools::{rust_targets, wasm_opt};
use crate::workspace;
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip1";

/// Exports of the SDK that Envoy needs; see proxy-wasm's ABI 0.2.1.
const SDK_EXPORTS: [&str; 3] = ["memory", "_initialize", "proxy_abi_version_0_2_1"];

/// The prefix of the filter's entry points until the SDK's are removed: `hop_on_log` becomes
/// `proxy_on_log`.
const ENTRY_PREFIX: &str = "hop_";

/// The filter's entry points. Each call into the VM has a cost, so a request has three: create,
/// log, and done. Envoy cannot skip done for single plugins, and a replaced module would lose its
/// last tick without it. Envoy calls `new_connection` for the connections of a NETWORK plugin only.
const ENTRY_POINTS: [&str; 10] = [
    "hop_on_memory_allocate",
    "hop_on_vm_start",
    "hop_on_configure",
    "hop_on_tick",
    "hop_on_context_create",
    "hop_on_new_connection",
    "hop_on_log",
    "hop_on_done",
    "hop_on_grpc_receive",
    "hop_on_grpc_close",
];

/// WebAssembly features that rustc uses on this target; every Envoy since 1.30 supports them.
const FEATURES: [&str; 6] = [
    "bulk-memory",
    "sign-ext",
    "nontrapping-float-to-int",
    "mutable-globals",
    "multivalue",
    "reference-types",
];

/// The limit of the module's size, bytes: each proxy holds several compiled copies of the module.
const MODULE_BYTES_MAX: usize = 200_000;

/// Builds the module.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    step("building the filter", || {
        rust_targets::install(TARGET)?;
        let arguments =
            ["build", "--quiet", "--package", "hopscope-filter", "--target", TARGET, "--profile", "wasm"];
        let mut cargo = workspace::cargo(arguments);
        link::set_as_linker(&mut cargo)?;
        process::run(&mut cargo)?;
        let linked = workspace::target().join(TARGET).join("wasm/hopscope_filter.wasm");
        let path = workspace::target().join("hopscope_filter.wasm");
        std::fs::write(&path, slim(&linked)?)?;
        let bytes = optimised(&path)?;
        if bytes.len() >= MODULE_BYTES_MAX {
            bail!("the module has {} bytes; fewer than {MODULE_BYTES_MAX} are allowed", bytes.len());
        }
        std::fs::write(&path, &bytes)?;
        remark(&format!("{} ({} bytes)", path.display(), bytes.len()));
        Ok(path)
    })
}

/// Runs wasm-opt on a module. Only small functions are inlined into small functions: V8 optimises
/// by function, and takes megabytes in each proxy for a large one, and some kilobytes for each.
fn optimised(path: &Path) -> anyhow::Result<Vec<u8>> {
    let script = wasm_opt::install()?;
    let mut command = Command::new("node");
    command.arg(script).arg(path).arg("--output").arg(path);
    command.args(["-O3", "-Oz"]);
    for (option, size) in [
        ("--always-inline-max-function-size", "2"),
        ("--flexible-inline-max-function-size", "2"),
        ("--one-caller-inline-max-function-size", "100"),
        ("--inline-max-combined-binary-size", "1000"),
    ] {
        command.args([option, size]);
    }
    command.args(FEATURES.map(|feature| format!("--enable-{feature}")));
    process::quietly(&mut command)?;
    Ok(std::fs::read(path)?)
}

/// Whether the linker keeps this export.
fn is_exported(name: &str) -> bool {
    SDK_EXPORTS.contains(&name) || ENTRY_POINTS.contains(&name)
}

fn slim(linked: &Path) -> anyhow::Result<Vec<u8>> {
    let mut module = walrus::Module::from_file(linked)?;
    for name in SDK_EXPORTS.iter().chain(&ENTRY_POINTS) {
        if !module.exports.iter().any(|export| export.name == *name) {
            bail!("the filter does not export `{name}`");
        }
    }
    for export in module.exports.iter_mut() {
        if let Some(name) = export.name.strip_prefix(ENTRY_PREFIX) {
            export.name = format!("proxy_{name}");
        }
    }
    silence::panics(&mut module)?;
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}
