//! `hopscope-core` is pure: its dependencies contain no runtime, server or log.
//!
//! Files, sockets and clocks are refused by `collector/core/clippy.toml`.

use crate::process;
use crate::workspace::cargo;
use anyhow::bail;

/// Crates that wait, serve or log.
const BANNED: [&str; 7] = ["tokio", "tonic", "hyper", "axum", "tracing", "mio", "rustls"];

/// Fails when a banned crate is in the dependency tree of the pure crate.
pub(super) fn check() -> anyhow::Result<()> {
    let tree = [
        "tree",
        "--quiet",
        "--locked",
        "--package",
        "hopscope-core",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ];
    let found = banned(&process::quietly(&mut cargo(tree))?);
    if found.is_empty() {
        return Ok(());
    }
    bail!("hopscope-core depends on {}; move the code that needs it to crate hopscope", found.join(", "))
}

/// Banned crates in the output of `cargo tree --prefix none`, each once.
fn banned(tree: &str) -> Vec<&'static str> {
    let names = |name: &&'static str| tree.lines().any(|line| line.split(' ').next() == Some(*name));
    BANNED.into_iter().filter(names).collect()
}

#[cfg(test)]
mod tests {
    use super::banned;

    #[test]
    fn a_banned_crate_is_found_by_its_whole_name() {
        assert_eq!(banned("hopscope-core v0.1.0 (x)\nprost v0.14.6\ntokio-stream v1\n"), [""; 0]);
        assert_eq!(banned("hopscope-core v0.1.0\ntokio v1.54.0\ntracing v0.1\n"), ["tokio", "tracing"]);
    }
}
