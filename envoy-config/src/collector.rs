//! The collector of the mesh, as a program of its own.
//!
//! In: the binary `hopscope` and two addresses. Out: a running collector and its answers.
//! Invariant: the addresses stay the same over restarts, as behind a Service; the process ends with
//! its [`Collector`].

mod api;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time;

pub use api::{EdgeRow, LedgerRow};

use crate::address::{free_local_port, free_port};
use crate::fetch;
use crate::log_tail;
use crate::process::Process;

/// Longest time until a collector serves.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Longest time for a graceful shutdown, which waits for calls in flight.
const GRACE: Duration = Duration::from_secs(10);

/// Addresses of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorAddress {
    /// gRPC, for reports.
    pub grpc: SocketAddr,
    /// HTTP, for metrics and the JSON API.
    pub http: SocketAddr,
}

impl CollectorAddress {
    /// Finds two free ports.
    ///
    /// # Errors
    /// When no port is free.
    pub fn choose() -> Result<Self> {
        let grpc = free_local_port()?;
        let http = free_port(Ipv4Addr::LOCALHOST, grpc + 1)?;
        Ok(Self { grpc: (Ipv4Addr::LOCALHOST, grpc).into(), http: (Ipv4Addr::LOCALHOST, http).into() })
    }
}

/// A collector, running or not.
#[derive(Debug)]
pub struct Collector {
    binary: PathBuf,
    address: CollectorAddress,
    log: PathBuf,
    options: Vec<String>,
    process: Option<Process>,
}

impl Collector {
    /// Returns a collector that does not run yet.
    pub fn new(binary: PathBuf, address: CollectorAddress, log: PathBuf) -> Self {
        Self { binary, address, log, options: Vec::new(), process: None }
    }

    /// Sets options of `hopscope serve`.
    #[must_use]
    pub fn with_options(self, options: &[impl ToString]) -> Self {
        Self { options: options.iter().map(ToString::to_string).collect(), ..self }
    }

    /// gRPC address.
    pub fn grpc(&self) -> SocketAddr {
        self.address.grpc
    }

    /// HTTP address.
    pub fn http(&self) -> SocketAddr {
        self.address.http
    }

    /// Path of the log, over all process runs.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Process id, while the collector runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Starts the collector and waits until it is ready.
    ///
    /// # Errors
    /// When the collector runs already, ends, or is not ready in time; the message shows the end of its log.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the collector runs already");
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("failed to open {}", self.log.display()))?;
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .args(["--grpc-address", &self.address.grpc.to_string()])
            .args(["--http-address", &self.address.http.to_string()])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = self.process.insert(Process::start("the collector", command)?);
        tokio::select! {
            () = fetch::until_ok(self.address.http, "/readyz") => Ok(()),
            status = process.wait() => bail!("the collector ended ({status}): {}", log_tail::read(&self.log)),
            () = time::sleep(READY_WITHIN) => bail!("the collector is not ready: {}", log_tail::read(&self.log)),
        }
    }

    /// Stops the collector (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When the collector does not run, had to be killed, or ended with a failure.
    pub async fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the collector does not run")?;
        let status = process.stop(GRACE).await?;
        ensure!(status.success(), "the collector ended ({status}): {}", log_tail::read(&self.log));
        Ok(())
    }

    /// Kills the collector (SIGKILL).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// All edges, one row for each series.
    ///
    /// # Errors
    /// When the collector does not answer.
    pub async fn edges(&self) -> Result<Vec<EdgeRow>> {
        api::edges(self.address.http).await
    }

    /// Ledger of each known proxy.
    ///
    /// # Errors
    /// When the collector does not answer.
    pub async fn ledgers(&self) -> Result<Vec<LedgerRow>> {
        api::ledgers(self.address.http).await
    }

    /// Requests and failures that are pending resolution of their peer, and therefore in no series
    /// and no list yet.
    ///
    /// # Errors
    /// When the collector does not answer, or has no such metric.
    pub async fn pending(&self) -> Result<u64> {
        api::pending(self.address.http).await
    }

    /// Text of the log.
    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_of_a_failed_start_shows_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let address = CollectorAddress::choose().unwrap();
        assert_ne!(address.grpc, address.http);
        let mut collector = Collector::new("/bin/ls".into(), address, folder.path().join("collector.log"));
        let error = format!("{:#}", collector.start().await.unwrap_err());
        assert!(error.contains("exit status: 2"), "{error}");
        assert!(error.contains("grpc-address"), "{error}");
        assert!(collector.start().await.is_err(), "a collector was started twice");
        assert!(collector.stop().await.is_err());
        assert_eq!(collector.process_id(), None);
    }
}
