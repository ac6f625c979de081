//! The whole mesh.
//!
//! In: [`MeshOptions`]. Out: real Envoys, applications, hops and a collector, all ready, in a
//! folder of their own.
//! Invariant: ports and loopback addresses are free; all processes end and the folder is removed
//! when the [`Mesh`] is dropped, also after a failed start.

mod options;
mod layout;
mod startup;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::task::JoinSet;

use crate::accounting::{self, ProxyRow};
use crate::address::Block;
use crate::address_plan::AddressPlan;
use crate::bootstrap::{MeshContext, node_id};
use crate::client::Client;
use crate::collector::Collector;
use crate::envoy::{Envoy, HttpCounts};
use crate::topology::Topology;
use layout::Folder;

pub use options::MeshOptions;
pub use startup::validate;

/// Last byte of the client's address; no workload has it.
const CLIENT_HOST: u8 = 254;

/// A running mesh.
#[derive(Debug)]
pub struct Mesh {
    // Dropped in this order: callers before the called, and the folder last.
    client: Client,
    envoys: BTreeMap<String, Envoy>,
    collector: Option<Collector>,
    background: JoinSet<()>,
    context: MeshContext,
    topology: Arc<Topology>,
    folder: Folder,
    _block: Block,
}

impl Mesh {
    /// Starts a mesh and waits until all of it is ready.
    ///
    /// # Errors
    /// When a part does not start; all started parts are stopped.
    pub async fn start(options: MeshOptions) -> Result<Self> {
        Self::start_with_progress(options, &mut |_| {}).await
    }

    /// Starts a mesh and reports each step before it begins.
    ///
    /// # Errors
    /// As [`Mesh::start`].
    pub async fn start_with_progress(options: MeshOptions, progress: &mut impl FnMut(&str)) -> Result<Self> {
        startup::start(options, progress).await
    }

    /// A client outside of the mesh.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Topology of the mesh.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Addresses of the mesh.
    pub fn address_plan(&self) -> &AddressPlan {
        &self.context.plan
    }

    /// Address for clients.
    ///
    /// # Errors
    /// When the topology has no gateway.
    pub fn gateway(&self) -> Result<SocketAddr> {
        startup::gateway(&self.context)
    }

    /// Envoy of a workload.
    ///
    /// # Errors
    /// When the workload has no Envoy.
    pub fn envoy(&self, workload: &str) -> Result<&Envoy> {
        self.envoys.get(workload).with_context(|| format!("no Envoy runs for {workload:?}"))
    }

    /// All Envoys, by workload id.
    pub fn envoys(&self) -> &BTreeMap<String, Envoy> {
        &self.envoys
    }

    /// Node id of a workload's proxy.
    ///
    /// # Errors
    /// When the topology does not have the workload.
    pub fn node_id(&self, workload: &str) -> Result<String> {
        let address = self.address_plan().of(workload)?.ip;
        Ok(node_id(&self.topology, self.topology.workload(workload)?, address))
    }

    /// Kills the Envoy of a workload (SIGKILL) and restarts it.
    ///
    /// # Errors
    /// When the workload has no Envoy, or the Envoy is not ready again in time.
    pub async fn crash_envoy(&mut self, workload: &str) -> Result<()> {
        let envoy =
            self.envoys.remove(workload).with_context(|| format!("no Envoy runs for {workload:?}"))?;
        self.envoys.insert(workload.to_owned(), envoy.crash_and_restart().await?);
        Ok(())
    }

    /// The collector.
    ///
    /// # Errors
    /// When the mesh was started without one.
    pub fn collector(&self) -> Result<&Collector> {
        self.collector.as_ref().context("the mesh has no collector")
    }

    /// Restarts the collector at the same addresses and waits until it is ready.
    ///
    /// # Errors
    /// When the collector runs, or does not become ready.
    pub async fn start_collector(&mut self) -> Result<()> {
        self.collector_mut()?.start().await
    }

    /// Stops the collector and waits for its end.
    ///
    /// # Errors
    /// When the collector had to be killed, or ended with a failure.
    pub async fn stop_collector(&mut self) -> Result<()> {
        self.collector_mut()?.stop().await
    }

    /// Kills the collector (SIGKILL).
    ///
    /// # Errors
    /// When the mesh was started without one.
    pub fn kill_collector(&mut self) -> Result<()> {
        self.collector_mut()?.kill();
        Ok(())
    }

    /// The folder of bootstraps, certificates and logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The log of all requests of a workload's Envoy, one JSON object a line; see
    /// [`MeshOptions::log_requests`]. Envoy writes it with a delay of 100 ms.
    pub fn request_log(&self, workload: &str) -> PathBuf {
        self.folder.request_log(workload)
    }

    /// Envoy's counts beside the collector's ledger at the moment.
    ///
    /// # Errors
    /// When an Envoy or the collector does not answer.
    pub async fn accounting(&self) -> Result<Vec<ProxyRow>> {
        accounting::read(self).await
    }

    /// Waits until no request is in flight and Envoy's counters are stable; returns them by
    /// workload id.
    ///
    /// # Errors
    /// When requests are in flight after this time.
    pub async fn idle(&self, within: Duration) -> Result<BTreeMap<String, HttpCounts>> {
        accounting::idle(self, within).await
    }

    /// Waits until the Envoys are idle and the collector's ledger agrees with each Envoy's own
    /// count.
    ///
    /// # Errors
    /// When the ledger does not agree `within` this time; the message shows the rows.
    pub async fn balanced(&self, within: Duration) -> Result<Vec<ProxyRow>> {
        accounting::balanced(self, within).await
    }

    /// Stops everything and removes the folder.
    ///
    /// # Errors
    /// When a part had to be killed, or ended with a failure; the rest is stopped nonetheless.
    pub async fn stop(mut self) -> Result<()> {
        let mut ends = JoinSet::new();
        for (workload, envoy) in std::mem::take(&mut self.envoys) {
            ends.spawn(async move {
                envoy.stop().await.with_context(|| format!("failed to stop the Envoy of {workload}"))
            });
        }
        let mut outcome = Ok(());
        while let Some(end) = ends.join_next().await {
            let end = end.map_err(|error| anyhow!(error)).and_then(|stopped| stopped);
            outcome = outcome.and(end.map(|_| ()));
        }
        if let Some(collector) = self.collector.as_mut().filter(|collector| collector.process_id().is_some())
        {
            outcome = outcome.and(collector.stop().await.context("failed to stop the collector"));
        }
        self.background.shutdown().await;
        outcome.and(self.folder.remove())
    }

    fn collector_mut(&mut self) -> Result<&mut Collector> {
        self.collector.as_mut().context("the mesh has no collector")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn require_send<T: Send>(_: T) {}

    #[tokio::test]
    async fn a_mesh_can_be_started_from_any_task() {
        require_send(Mesh::start(MeshOptions::new("/nonexistent/envoy")));
    }

    #[tokio::test]
    async fn the_error_names_the_part_that_cannot_start() {
        let error = Mesh::start(MeshOptions::new("/nonexistent/envoy")).await.unwrap_err();
        assert_eq!(error.to_string(), "failed to start the Envoy of gateway-v1");
    }
}
