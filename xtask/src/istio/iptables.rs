//! iptables for `pilot-agent istio-iptables`: from the path, or unpacked from Debian's packages.
//!
//! Out: the environment in which a command finds iptables.
//! Invariant: nothing is installed outside the target folder.

use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian packages of iptables and of the libraries that a machine may lack.
const PACKAGES: [&str; 8] = [
    "iptables",
    "libxtables12",
    "libip4tc2",
    "libip6tc2",
    "libnfnetlink0",
    "libnetfilter-conntrack3",
    "libnftnl11",
    "libmnl0",
];

/// Fetches iptables where the path has none.
pub(super) fn install() -> anyhow::Result<()> {
    if on_path() || folder().join("usr/sbin/iptables-nft").exists() {
        return Ok(());
    }
    step("fetching iptables", || {
        let downloads = folder().join("packages");
        std::fs::create_dir_all(&downloads)?;
        let download = || {
            let mut apt = Command::new("apt-get");
            process::quietly(apt.current_dir(&downloads).args(["download", "--quiet"]).args(PACKAGES))
        };
        if download().is_err() {
            // A new machine has no package lists yet.
            process::quietly(Command::new("apt-get").args(["update", "--quiet"]))?;
            download()?;
        }
        for package in std::fs::read_dir(&downloads)? {
            process::quietly(Command::new("dpkg").arg("-x").arg(package?.path()).arg(folder()))?;
        }
        Ok(())
    })
    .context("iptables is needed: put it on the path, or run on Debian with apt-get")
}

/// Adds iptables to the environment of a command.
pub(super) fn add_to_path(command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_default();
    if on_path() {
        command.env("PATH", path);
        return;
    }
    let root = folder();
    command.env("PATH", format!("{}:{path}", root.join("usr/sbin").display()));
    if let Some(library) = library(&root) {
        command.env("XTABLES_LIBDIR", library.join("xtables")).env("LD_LIBRARY_PATH", library);
    }
}

fn folder() -> PathBuf {
    workspace::tool("iptables", "debian")
}

fn on_path() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("iptables-save").exists())
}

/// `usr/lib/x86_64-linux-gnu`, or the folder of another architecture.
fn library(root: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(root.join("usr/lib")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.into_iter().find(|folder| folder.join("xtables").is_dir())
}
