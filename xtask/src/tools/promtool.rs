//! promtool, from Debian's `prometheus` package, unpacked without being installed; or the one on the path.

use super::find;
use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::path::PathBuf;
use std::process::Command;

/// The path of promtool.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|dir| dir.join("promtool")).find(|p| p.exists()));
    let folder = workspace::tool("promtool", "debian");
    if let Some(path) = on_path.or_else(|| find(&folder, "promtool")) {
        return Ok(path);
    }
    step("fetching promtool", || {
        std::fs::create_dir_all(&folder)?;
        let download = || {
            process::quietly(Command::new("apt-get").current_dir(&folder).args(["download", "prometheus"]))
        };
        if download().is_err() {
            // A new machine has no package lists yet.
            process::quietly(Command::new("apt-get").args(["update", "--quiet"]))?;
            download()?;
        }
        let package = std::fs::read_dir(&folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|e| e == "deb"))
            .context("failed to find the downloaded package")?;
        process::quietly(Command::new("dpkg").arg("-x").arg(package).arg(&folder))?;
        find(&folder, "promtool").context("failed to find promtool in Debian's prometheus package")
    })
    .context("promtool is needed: put it on the path, or run on Debian with apt-get")
}
