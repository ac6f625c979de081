//! One real Envoy.
//!
//! In: the binary and a rendered bootstrap. Out: a running proxy, its own counts and its logs.
//! Invariant: the process ends with its [`Envoy`]; the error of a failed start shows the end of the
//! log.

mod stats;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time;

pub use stats::HttpCounts;

use crate::fetch;
use crate::log_tail;
use crate::process::Process;

/// Longest time until an Envoy is ready: compiling the module on a busy machine takes seconds.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Longest time for a graceful shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// Arguments of an Envoy.
#[derive(Debug, Clone)]
pub struct EnvoyCommand {
    /// Name in messages.
    pub name: String,
    /// Binary.
    pub binary: PathBuf,
    /// Bootstrap, YAML.
    pub config: PathBuf,
    /// Worker threads.
    pub concurrency: u32,
    /// Path of the log.
    pub log: PathBuf,
    /// Address of the admin interface, as in the bootstrap.
    pub admin: SocketAddr,
    /// Log of requests with an incomplete head, as in the bootstrap.
    pub incomplete_heads: PathBuf,
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    command: EnvoyCommand,
    process: Process,
}

impl Envoy {
    /// Starts an Envoy without waiting until it is ready.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: EnvoyCommand) -> Result<Self> {
        let mut program = Command::new(&command.binary);
        program
            .arg("--config-path")
            .arg(&command.config)
            .args(["--concurrency", &command.concurrency.to_string()])
            .args(["--log-level", "warning", "--component-log-level", "wasm:info"])
            .arg("--log-path")
            .arg(&command.log)
            .args(["--disable-hot-restart", "--file-flush-interval-msec", "100", "--drain-time-s", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process::start(&format!("the Envoy of {}", command.name), program)?;
        Ok(Self { command, process })
    }

    /// Waits until the Envoy is ready.
    ///
    /// # Errors
    /// When the Envoy ended or is not ready in time; the message shows the end of its log.
    pub async fn ready(&mut self) -> Result<()> {
        let EnvoyCommand { name, log, admin, .. } = &self.command;
        tokio::select! {
            () = fetch::until_ok(*admin, "/ready") => Ok(()),
            status = self.process.wait() => bail!("the Envoy of {name} ended ({status}): {}", log_tail::read(log)),
            () = time::sleep(READY_WITHIN) => bail!("the Envoy of {name} is not ready: {}", log_tail::read(log)),
        }
    }

    /// Envoy's own counts since its start.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn stats(&self) -> Result<HttpCounts> {
        let text = fetch::text(self.command.admin, "/stats?filter=downstream_rq_(total|active)").await;
        let text = text.with_context(|| format!("failed to read the counters of {}", self.command.name))?;
        let lines = fs::read_to_string(&self.command.incomplete_heads).unwrap_or_default();
        Ok(HttpCounts::parse(&text, lines.lines().count()))
    }

    /// Address of the admin interface.
    pub fn admin(&self) -> SocketAddr {
        self.command.admin
    }

    /// Path of the log.
    pub fn log(&self) -> &Path {
        &self.command.log
    }

    /// Process id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the Envoy (SIGKILL), as in a node failure, and restarts it.
    ///
    /// # Errors
    /// When the Envoy does not become ready again.
    pub async fn crash_and_restart(self) -> Result<Self> {
        let Self { command, process } = self;
        process.kill();
        // Envoy's counters restart at 0, and the log is subtracted from them.
        fs::write(&command.incomplete_heads, "").context("failed to empty the log of incomplete heads")?;
        let mut envoy = Self::start(command)?;
        envoy.ready().await?;
        Ok(envoy)
    }

    /// Stops the Envoy.
    ///
    /// # Errors
    /// When the Envoy had to be killed.
    pub async fn stop(self) -> Result<ExitStatus> {
        self.process.stop(GRACE).await
    }
}

/// Validates a bootstrap with Envoy without running it.
///
/// # Errors
/// When Envoy rejects the bootstrap; the message is Envoy's.
pub fn validate(binary: &Path, config: &Path) -> Result<()> {
    let output = Command::new(binary)
        .args(["--mode", "validate", "--log-level", "error", "--config-path"])
        .arg(config)
        .stdin(Stdio::null())
        .output();
    let output = output.with_context(|| format!("failed to run {}", binary.display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "Envoy rejects {}: {}", config.display(), stderr.trim());
    Ok(())
}
