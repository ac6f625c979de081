//! The files of the repository in memory, so that a check is a function of texts.

use super::finding::is_below;
use crate::process;
use crate::workspace;
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::Command;

/// Extensions of the files whose text is checked.
const TEXTS: [&str; 8] = ["rs", "md", "proto", "yaml", "yml", "jinja", "toml", "ts"];

/// Paths, relative to the root of the repository, with their texts.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
    packages: Vec<String>,
}

impl Tree {
    /// Reads every file that git tracks, or would track.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(workspace::root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let mut files = BTreeMap::new();
        for path in process::quietly(&mut git)?.lines() {
            let file = workspace::root().join(path);
            // A file that is deleted and not yet committed is still listed.
            if !file.exists() {
                continue;
            }
            let is_text = TEXTS.iter().any(|extension| path.ends_with(&format!(".{extension}")));
            let text = if is_text {
                std::fs::read_to_string(&file).with_context(|| format!("failed to read {path}"))?
            } else {
                String::new()
            };
            files.insert(path.to_owned(), text);
        }
        Ok(Self { files, packages: packages()? })
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// All files with their texts, by path; the text of a file that is not checked is empty.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Whether a file or a folder of this path exists.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.files.keys().any(|file| is_below(file, path))
    }

    /// The folders of the workspace's packages.
    pub(crate) fn packages(&self) -> &[String] {
        &self.packages
    }

    /// The first line that holds a text, comments left out, from a line on; that line where none
    /// does.
    pub(crate) fn line_of(&self, path: &str, text: &str, from: usize) -> usize {
        let lines = self.text(path).unwrap_or_default().lines().zip(1..).skip(from.saturating_sub(1));
        let mut holding =
            lines.filter(|(line, _)| line.contains(text) && !line.trim_start().starts_with('#'));
        holding.next().map_or(from, |(_, number)| number)
    }

    /// A tree of these files.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)], packages: &[&str]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            files: files.collect(),
            packages: packages.iter().map(|package| (*package).to_owned()).collect(),
        }
    }
}

/// Asks cargo for the folders of the workspace's packages.
fn packages() -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        manifest_path: std::path::PathBuf,
    }
    let mut cargo = workspace::cargo(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: Metadata = serde_json::from_str(&process::quietly(&mut cargo)?)?;
    let root = workspace::root();
    let folder = |package: &Package| {
        let folder = package.manifest_path.parent()?.strip_prefix(&root).ok()?;
        Some(folder.to_string_lossy().into_owned())
    };
    Ok(metadata.packages.iter().filter_map(folder).collect())
}
