//! The module that every sidecar loads.
//!
//! In: the filter's sources. Out: `target/hopscope_filter.wasm`. Always holds: it exports only the callbacks that the
//! filter answers. Envoy enters a VM for every callback that a module exports, and the SDK exports all of them; cargo
//! cannot choose, so the export section is rewritten here, and what nothing reaches any more is removed.

use crate::process;
use crate::progress::{remark, step};
use crate::tools::rust_targets;
use crate::workspace;
use anyhow::bail;
use std::path::{Path, PathBuf};

const TARGET: &str = "wasm32-wasip1";

/// What Envoy needs of the module; see proxy-wasm's ABI 0.2.1.
const EXPORTS: [&str; 13] = [
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_context_create",
    "proxy_on_log",
    "proxy_on_done",
    "proxy_on_delete",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_close",
];

/// The largest module that is let through, bytes: each proxy holds several compiled copies of it.
const MODULE_BYTES_MAX: usize = 200_000;

/// Builds the module.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    step("building the filter", || {
        rust_targets::install(TARGET)?;
        let arguments =
            ["build", "--quiet", "--package", "hopscope-filter", "--target", TARGET, "--profile", "wasm"];
        process::run(&mut workspace::cargo(arguments))?;
        let linked = workspace::target().join(TARGET).join("wasm/hopscope_filter.wasm");
        let path = workspace::target().join("hopscope_filter.wasm");
        let bytes = slim(&linked)?;
        if bytes.len() >= MODULE_BYTES_MAX {
            bail!("the module has {} bytes; fewer than {MODULE_BYTES_MAX} are allowed", bytes.len());
        }
        std::fs::write(&path, &bytes)?;
        remark(&format!("{} ({} bytes)", path.display(), bytes.len()));
        Ok(path)
    })
}

fn slim(linked: &Path) -> anyhow::Result<Vec<u8>> {
    let mut module = walrus::Module::from_file(linked)?;
    for name in EXPORTS {
        if !module.exports.iter().any(|export| export.name == name) {
            bail!("the filter does not export `{name}`");
        }
    }
    let unused: Vec<_> =
        module.exports.iter().filter(|export| !EXPORTS.contains(&export.name.as_str())).collect();
    for export in unused.iter().map(|export| export.id()).collect::<Vec<_>>() {
        module.exports.delete(export);
    }
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}
