//! The folder of a mesh.
//!
//! Invariant: the folder is removed with its [`Folder`], unless it is kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

const PREFIX: &str = "hopscope-mesh-";
const PARTS: [&str; 3] = ["certificates", "bootstrap", "log"];

/// A folder with a subfolder for each kind of file.
#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
    keep: bool,
}

impl Folder {
    pub(super) fn create(keep: bool) -> Result<Self> {
        let mut folder =
            tempfile::Builder::new().prefix(PREFIX).tempdir().context("failed to make a folder")?;
        folder.disable_cleanup(keep);
        for part in PARTS {
            fs::create_dir(folder.path().join(part))
                .with_context(|| format!("failed to make the folder {part}"))?;
        }
        Ok(Self { folder, keep })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn certificates(&self) -> PathBuf {
        self.path().join("certificates")
    }

    pub(super) fn bootstrap(&self, workload: &str) -> PathBuf {
        self.path().join("bootstrap").join(format!("{workload}.yaml"))
    }

    pub(super) fn envoy_log(&self, workload: &str) -> PathBuf {
        self.log(&format!("{workload}.log"))
    }

    pub(super) fn request_log(&self, workload: &str) -> PathBuf {
        self.log(&format!("{workload}-requests.jsonl"))
    }

    pub(super) fn incomplete_heads(&self, workload: &str) -> PathBuf {
        self.log(&format!("{workload}-incomplete-heads.log"))
    }

    pub(super) fn collector_log(&self) -> PathBuf {
        self.log("collector.log")
    }

    pub(super) fn remove(self) -> Result<()> {
        if self.keep {
            return Ok(());
        }
        self.folder.close().context("failed to remove the folder of the mesh")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path().join("log").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_removed_unless_it_is_kept() {
        for keep in [false, true] {
            let folder = Folder::create(keep).unwrap();
            let path = folder.path().to_owned();
            fs::write(folder.collector_log(), "").unwrap();
            drop(folder);
            assert_eq!(path.exists(), keep);
            fs::remove_dir_all(path).ok();
        }
    }
}
