//! Files and background processes of a running mesh.
//!
//! Out: paths below `target/istio/run`, and programs that outlive this one.
//! Invariant: each program has a log of its own; the folder is removed with the mesh.

use super::machine;
use crate::workspace;
use anyhow::{Context, bail};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The folder of the running mesh.
pub(super) fn folder() -> PathBuf {
    workspace::target().join("istio/run")
}

/// The path of a program's log.
pub(super) fn log(name: &str) -> PathBuf {
    folder().join("logs").join(format!("{name}.log"))
}

/// Opens the log of a program for writing.
pub(super) fn log_file(name: &str) -> anyhow::Result<File> {
    let path = log(name);
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    Ok(File::options().create(true).append(true).open(&path)?)
}

/// Starts a program that outlives this one, and returns its process id.
pub(super) fn start(name: &str, command: &mut Command) -> anyhow::Result<u32> {
    let log = log_file(name)?;
    // A proxy opens its access log, /dev/stdout, a second time and as another user.
    log.set_permissions(Permissions::from_mode(0o666))?;
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    machine::end_with_machine(command);
    let child = command.spawn().with_context(|| format!("failed to start {name}"))?;
    Ok(child.id())
}

/// Stores the folder of Envoy for the commands that follow.
pub(super) fn save_envoy(folder: &Path) -> anyhow::Result<()> {
    Ok(std::fs::write(self::folder().join("envoy"), folder.display().to_string())?)
}

/// The folder of Envoy.
pub(super) fn envoy() -> anyhow::Result<PathBuf> {
    Ok(std::fs::read_to_string(folder().join("envoy"))?.into())
}

/// The last lines of a program's log.
pub(super) fn last_log_lines(name: &str) -> String {
    let text = std::fs::read(log(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
}

/// Polls until a value is there. `what` completes "failed to see …".
pub(super) fn wait_for<T>(
    what: &str,
    timeout: Duration,
    mut read: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    let mut last = String::new();
    while start.elapsed() < timeout {
        match read() {
            Ok(Some(seen)) => return Ok(seen),
            Ok(None) => {}
            Err(error) => last = format!(": {error:#}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("failed to see {what} within {} s{last}", timeout.as_secs())
}
