//! Rust's two wasm targets: WASI for Envoy, `unknown` for wasm-bindgen's tests.

use crate::process;
use crate::workspace;
use std::path::Path;
use std::process::Command;

/// Adds the target to the pinned toolchain, unless it is installed.
pub(crate) fn install(target: &str) -> anyhow::Result<()> {
    let mut rustc = Command::new("rustc");
    let sysroot = process::quietly(rustc.current_dir(workspace::root()).args(["--print", "sysroot"]))?;
    if !Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").exists() {
        let mut rustup = Command::new("rustup");
        process::run(rustup.current_dir(workspace::root()).args(["target", "add", target]))?;
    }
    Ok(())
}
