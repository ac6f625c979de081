//! This program as rustc's linker.
//!
//! In: the arguments that rustc gives a linker.
//! Out: the real linker, run with fewer exports.
//! Invariant: all other arguments are passed on unchanged.
//!
//! Cargo exports every symbol that a dependency marks as exported, and offers no choice. The SDK
//! marks every callback; each refers to its dispatcher, whose tables refer to every method that a
//! plugin could have. Only the linker removes unreferenced code, so the exports have to be removed
//! before it runs.

use crate::process;
use crate::progress;
use anyhow::Context;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The variable with the path of the real linker. When set, this program runs as a linker.
const LINKER: &str = "HOPSCOPE_LINKER";

/// Makes this program the linker of a cargo command for wasm32-wasip1.
pub(super) fn set_as_linker(cargo: &mut Command) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("failed to find this program")?;
    cargo.env("CARGO_TARGET_WASM32_WASIP1_LINKER", program).env(LINKER, rust_lld()?);
    Ok(())
}

/// Runs the linker, where this program was started as one.
pub(crate) fn run_if_linker() -> Option<ExitCode> {
    let linker = std::env::var_os(LINKER)?;
    let arguments = without_exports(std::env::args().skip(1));
    let status = Command::new(&linker).args(["-flavor", "wasm"]).args(arguments).status();
    let status = status.with_context(|| format!("failed to start the linker {}", linker.display()));
    match status {
        Ok(status) if status.success() => Some(ExitCode::SUCCESS),
        // The linker has printed the reason.
        Ok(_) => Some(ExitCode::FAILURE),
        Err(error) => {
            progress::failed(&error);
            Some(ExitCode::FAILURE)
        }
    }
}

fn without_exports(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let unwanted = |name: &String| !super::is_exported(name);
        if argument == "-flavor" || argument == "--export" && arguments.peek().is_some_and(unwanted) {
            arguments.next();
        } else {
            kept.push(argument);
        }
    }
    kept
}

/// The linker that comes with rustc.
fn rust_lld() -> anyhow::Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = process::quietly(Command::new(rustc).args(["--print", "target-libdir"]))?;
    Ok(PathBuf::from(libraries.trim()).with_file_name("bin").join("rust-lld"))
}

#[cfg(test)]
mod tests {
    use super::without_exports;

    #[test]
    fn only_unwanted_exports_go() {
        let given =
            "-flavor wasm --export proxy_on_log --export hop_on_log -o out --export memory --gc-sections";
        let kept = without_exports(given.split(' ').map(str::to_owned));
        assert_eq!(kept.join(" "), "--export hop_on_log -o out --export memory --gc-sections");
    }
}
