//! One Envoy under measurement.
//!
//! In: the binary, arms, the environment, and perhaps a tool that wraps it. Out: addresses and
//! counters.
//! Invariant: the kernel chooses the ports; the Envoy ends with its [`Proxy`].

use super::arm::Arm;
use super::bootstrap::{Environment, TELEMETRY, bootstrap};
use crate::kernel;
use anyhow::{Context, bail};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use hopscope_mesh::process::Process;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Compiling two modules under callgrind takes minutes on a slow machine.
const READY_WITHIN: Duration = Duration::from_secs(400);

/// A running Envoy.
pub(crate) struct Proxy {
    process: Process,
    admin: SocketAddr,
    folder: TempDir,
}

impl Proxy {
    /// Starts an Envoy with a listener for each arm.
    ///
    /// `wrapped` returns the command to run, given the program and a folder for its files.
    pub(crate) async fn start(
        envoy: &Path,
        arms: &[Arm],
        environment: Environment<'_>,
        wrapped: impl FnOnce(&Path, &Path) -> Command,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hopscope-bench-").tempdir()?;
        let config = folder.path().join("bootstrap.json");
        std::fs::write(&config, bootstrap(arms, environment).to_string())?;
        let (log, admin_path) = (folder.path().join("envoy.log"), folder.path().join("admin"));
        let mut command = wrapped(envoy, folder.path());
        command
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_path)
            .arg("--log-path")
            .arg(&log)
            .args([
                "--concurrency",
                &environment.workers.to_string(),
                "--disable-hot-restart",
                "--log-level",
                "warning",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = Process::start("Envoy", command)?;
        let listening = async {
            let admin =
                eventually("Envoy's admin pages", READY_WITHIN, async || address_in(&admin_path)).await?;
            fetch::until_ok(admin, "/ready").await;
            anyhow::Ok(admin)
        };
        let log_text = || std::fs::read_to_string(&log).unwrap_or_default();
        let admin = tokio::select! {
            admin = listening => admin.with_context(log_text)?,
            status = process.wait() => bail!("Envoy ended ({status}): {}", log_text()),
            () = tokio::time::sleep(READY_WITHIN) => bail!("Envoy is not ready: {}", log_text()),
        };
        Ok(Self { process, admin, folder })
    }

    /// Address of an arm's listener.
    pub(crate) async fn listener(&self, arm: Arm) -> anyhow::Result<SocketAddr> {
        let page = fetch::json(self.admin, "/listeners?format=json").await?;
        let all = page.pointer("/listener_statuses").and_then(|all| all.as_array());
        let named =
            |status: &&serde_json::Value| status.pointer("/name").is_some_and(|name| name == arm.name());
        let status = all.and_then(|all| all.iter().find(named));
        let port =
            status.and_then(|status| status.pointer("/local_address/socket_address/port_value")?.as_u64());
        let port = u16::try_from(port.with_context(|| format!("Envoy has no listener {}", arm.name()))?)?;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Bytes on the connections of telemetry so far, in both directions, by Envoy's counters.
    pub(crate) async fn telemetry_bytes(&self) -> anyhow::Result<u64> {
        let text = fetch::text(self.admin, "/stats?filter=upstream_cx_(tx|rx)_bytes_total").await?;
        let prefix = format!("cluster.{TELEMETRY}.");
        let lines = text.lines().filter(|line| line.starts_with(&prefix));
        let values = lines.filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok());
        Ok(values.sum())
    }

    /// Requests that Envoy completed on the listener of an arm.
    pub(crate) async fn completed(&self, arm: Arm) -> anyhow::Result<u64> {
        let name = format!("http.{}.downstream_rq_completed", arm.name());
        let text = fetch::text(self.admin, &format!("/stats?filter={name}")).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix(": "));
        Ok(value.context("Envoy has no counter of completed requests")?.trim().parse()?)
    }

    /// Processor time so far, seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        kernel::cpu_seconds(self.process.id())
    }

    /// Resident memory, bytes.
    pub(crate) fn memory_bytes(&self) -> anyhow::Result<u64> {
        kernel::memory_bytes(self.process.id())
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Folder of its files.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

fn address_in(path: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
