//! Prometheus and promtool: from the path, or unpacked from Debian's `prometheus` package.

use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Paths of both programs.
pub(crate) struct Prometheus {
    /// The server.
    pub(crate) server: PathBuf,
    /// The program that checks metrics and rules.
    pub(crate) promtool: PathBuf,
}

impl Prometheus {
    fn of(find: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        Some(Self { server: find("prometheus")?, promtool: find("promtool")? })
    }

    /// Returns the programs of the unpacked package; other files of it have the same names.
    fn unpacked(folder: &Path) -> Option<Self> {
        Self::of(|name| Some(folder.join("usr/bin").join(name)).filter(|path| path.is_file()))
    }
}

/// Finds or fetches both programs.
pub(crate) fn install() -> anyhow::Result<Prometheus> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = |name: &str| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|it| it.is_file());
    let folder = workspace::tool("prometheus", "debian");
    if let Some(there) = Prometheus::of(on_path).or_else(|| Prometheus::unpacked(&folder)) {
        return Ok(there);
    }
    step("fetching Prometheus", || {
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
        Prometheus::unpacked(&folder).context("failed to find the programs in Debian's prometheus package")
    })
    .context("Prometheus and promtool are needed: put them on the path, or run on Debian with apt-get")
}
