//! The collector of the mesh, as a program of its own.
//!
//! In: the binary `hopscope` and two addresses. Out: a running collector and what it answers.
//! Always: it keeps its addresses over stops and starts, as behind a Service; it ends with its [`Collector`].

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

/// How long a collector may take to end when asked: it lets open calls end first.
const GRACE: Duration = Duration::from_secs(10);

/// Where a collector is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorAddress {
    /// Reports.
    pub grpc: SocketAddr,
    /// Metrics and the JSON API.
    pub http: SocketAddr,
}

impl CollectorAddress {
    /// Finds two free ports.
    ///
    /// # Errors
    /// When there are none.
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
    place: CollectorAddress,
    log: PathBuf,
    options: Vec<String>,
    process: Option<Process>,
}

impl Collector {
    /// A collector that does not run yet.
    pub fn new(binary: PathBuf, place: CollectorAddress, log: PathBuf) -> Self {
        Self { binary, place, log, options: Vec::new(), process: None }
    }

    /// The same with more options of `hopscope serve`.
    #[must_use]
    pub fn with_options(self, options: &[impl ToString]) -> Self {
        Self { options: options.iter().map(ToString::to_string).collect(), ..self }
    }

    /// Where reports go.
    pub fn grpc(&self) -> SocketAddr {
        self.place.grpc
    }

    /// Where it answers.
    pub fn http(&self) -> SocketAddr {
        self.place.http
    }

    /// Its log, of all its lives.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When it runs already, ends, or does not serve in time; the message shows the end of its log.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the collector runs already");
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("failed to open {}", self.log.display()))?;
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .args(["--grpc-address", &self.place.grpc.to_string()])
            .args(["--http-address", &self.place.http.to_string()])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = self.process.insert(Process::start("the collector", command)?);
        tokio::select! {
            () = fetch::until_ok(self.place.http, "/readyz") => Ok(()),
            status = process.wait() => bail!("the collector ended ({status}): {}", log_tail::of(&self.log)),
            () = time::sleep(READY_WITHIN) => bail!("the collector is not ready: {}", log_tail::of(&self.log)),
        }
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it does not run, had to be killed, or ended with a failure.
    pub async fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the collector does not run")?;
        let status = process.stop(GRACE).await?;
        ensure!(status.success(), "the collector ended ({status}): {}", log_tail::of(&self.log));
        Ok(())
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// All edges that it knows, one row for each series.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn edges(&self) -> Result<Vec<EdgeRow>> {
        api::edges(self.place.http).await
    }

    /// The ledger of each proxy that it knows.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ledgers(&self) -> Result<Vec<LedgerRow>> {
        api::ledgers(self.place.http).await
    }

    /// Requests that it answers for and that are in no series yet, and failures that it shows nowhere yet, since they wait for
    /// their peer's name.
    ///
    /// # Errors
    /// When it does not answer, or does not say so.
    pub async fn waiting(&self) -> Result<u64> {
        api::waiting(self.place.http).await
    }

    /// Everything it has logged.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_ends_at_once_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let place = CollectorAddress::choose().unwrap();
        assert_ne!(place.grpc, place.http);
        let mut collector = Collector::new("/bin/ls".into(), place, folder.path().join("collector.log"));
        let error = format!("{:#}", collector.start().await.unwrap_err());
        assert!(error.contains("exit status: 2"), "{error}");
        assert!(error.contains("grpc-address"), "{error}");
        assert!(collector.start().await.is_err(), "it has to be stopped before");
        assert!(collector.stop().await.is_err());
        assert_eq!(collector.process_id(), None);
    }
}
