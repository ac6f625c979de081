//! One real Envoy.
//!
//! In: the binary and a rendered bootstrap. Out: a running proxy, its own counts and its logs.
//! Always: it ends with its [`Envoy`]; what it said last stands in the error when it does not become ready.

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

/// How long an Envoy may take to end when asked.
const GRACE: Duration = Duration::from_secs(5);

/// How to run an Envoy.
#[derive(Debug, Clone)]
pub struct EnvoyCommand {
    /// What to call it in messages.
    pub name: String,
    /// The program.
    pub binary: PathBuf,
    /// The bootstrap, YAML.
    pub config: PathBuf,
    /// Worker threads.
    pub concurrency: u32,
    /// Where it logs.
    pub log: PathBuf,
    /// Its admin pages, as the bootstrap says.
    pub admin: SocketAddr,
    /// Its log of requests without a complete head, as the bootstrap says.
    pub incomplete_heads: PathBuf,
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    command: EnvoyCommand,
    process: Process,
}

impl Envoy {
    /// Starts it; it is not ready yet.
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

    /// Waits until it serves.
    ///
    /// # Errors
    /// When it ended or is not ready in time; the message shows the end of its log.
    pub async fn ready(&mut self) -> Result<()> {
        let EnvoyCommand { name, log, admin, .. } = &self.command;
        tokio::select! {
            () = fetch::until_ok(*admin, "/ready") => Ok(()),
            status = self.process.wait() => bail!("the Envoy of {name} ended ({status}): {}", log_tail::of(log)),
            () = time::sleep(READY_WITHIN) => bail!("the Envoy of {name} is not ready: {}", log_tail::of(log)),
        }
    }

    /// What Envoy itself counted since its start.
    ///
    /// # Errors
    /// When its admin pages do not answer.
    pub async fn stats(&self) -> Result<HttpCounts> {
        let text = fetch::text(self.command.admin, "/stats?filter=downstream_rq_(total|active)").await;
        let text = text.with_context(|| format!("failed to read the counters of {}", self.command.name))?;
        let lines = fs::read_to_string(&self.command.incomplete_heads).unwrap_or_default();
        Ok(HttpCounts::parse(&text, lines.lines().count()))
    }

    /// Its admin pages.
    pub fn admin(&self) -> SocketAddr {
        self.command.admin
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.command.log
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it without warning, as a node that fails does, and starts it anew.
    ///
    /// # Errors
    /// When it does not become ready again.
    pub async fn crash_and_restart(self) -> Result<Self> {
        let Self { command, process } = self;
        process.kill();
        // Its counters begin anew, and so must what is held against them.
        fs::write(&command.incomplete_heads, "").context("failed to empty the log of incomplete heads")?;
        let mut envoy = Self::start(command)?;
        envoy.ready().await?;
        Ok(envoy)
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(self) -> Result<ExitStatus> {
        self.process.stop(GRACE).await
    }
}

/// Lets Envoy judge a bootstrap without running it.
///
/// # Errors
/// When Envoy rejects it; the message is Envoy's.
pub fn validate(binary: &Path, config: &Path) -> Result<()> {
    let output = Command::new(binary)
        .args(["--mode", "validate", "--log-level", "error", "--config-path"])
        .arg(config)
        .stdin(Stdio::null())
        .output();
    let output = output.with_context(|| format!("failed to run {}", binary.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "Envoy rejects {}: {}", config.display(), said.trim());
    Ok(())
}
