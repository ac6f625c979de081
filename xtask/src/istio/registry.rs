//! An OCI registry in the machine, with the filter's image.
//!
//! In: the output of `cargo xtask package`.
//! Out: an image that agents pull.
//! Invariant: the digest in the registry is that of the package; a difference is an error.

use super::{control_plane, programs, run};
use crate::{package, process};
use anyhow::bail;
use std::process::Command;
use std::time::Duration;

const PORT: u16 = 5000;

/// An image as agents refer to it.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// `host:port/repository:tag`.
    pub(super) name: String,
    /// The digest of its manifest: 64 hexadecimal digits.
    pub(super) digest: String,
}

/// Starts the registry; its images are lost when it ends.
pub(super) fn start() -> anyhow::Result<()> {
    let mut registry = Command::new(programs::path("crane"));
    registry.args(["registry", "serve", "--address", &address()]);
    let process = run::start("registry", registry.env("PORT", PORT.to_string()))?;
    std::fs::write(run::folder().join("registry.pid"), process.to_string())?;
    run::wait_for("the registry", Duration::from_secs(10), || {
        Ok(super::http::get(control_plane::ADDRESS, PORT, "/v2/").ok())
    })
    .map(drop)
}

/// Ends the registry's process, by the process id that was stored at its start.
pub(super) fn stop() -> anyhow::Result<()> {
    let process = std::fs::read_to_string(run::folder().join("registry.pid"))?;
    process::quietly(Command::new("kill").arg(process.trim())).map(drop)
}

/// `host:port` of the registry.
pub(super) fn address() -> String {
    format!("{}:{PORT}", control_plane::ADDRESS)
}

/// The name and the digest of the filter's image, pushed or not.
pub(super) fn image() -> anyhow::Result<Image> {
    let packaged = package::packaged(package::Form::Compat)?;
    Ok(Image { name: name(&packaged.tag), digest: packaged.digest })
}

/// Pushes both forms of the filter's image.
pub(super) fn push() -> anyhow::Result<Image> {
    push_as("")
}

/// Pushes both forms of the image that was packaged with this suffix.
pub(super) fn push_as(suffix: &str) -> anyhow::Result<Image> {
    upload(package::Form::Artifact, suffix)?;
    upload(package::Form::Compat, suffix)
}

/// The image of the same module as an artifact of two layers.
pub(super) fn artifact() -> anyhow::Result<Image> {
    let packaged = package::packaged(package::Form::Artifact)?;
    Ok(Image { name: name(&packaged.tag), digest: packaged.digest })
}

fn upload(form: package::Form, suffix: &str) -> anyhow::Result<Image> {
    let packaged = package::packaged_as(form, suffix)?;
    let mut push = Command::new(programs::path("crane"));
    push.args(["push", "--insecure"]).arg(&packaged.layout).arg(name(&packaged.tag));
    let pushed = process::quietly(&mut push)?;
    if !pushed.contains(&packaged.digest) {
        bail!("the digest in the registry is {}, in the package {}", pushed.trim(), packaged.digest);
    }
    Ok(Image { name: name(&packaged.tag), digest: packaged.digest })
}

fn name(tag: &str) -> String {
    format!("{}/hopscope/filter:{tag}", address())
}
