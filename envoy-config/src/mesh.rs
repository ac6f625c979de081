//! The whole mesh.
//!
//! In: [`MeshOptions`]. Out: real Envoys, applications, hops and a collector, all ready, in a folder of their
//! own.
//! Always: free ports and a block of loopback addresses that nobody else has; everything ends, and the folder
//! goes, with the [`Mesh`], and also when it could only be started half.

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
use crate::address_plan::Places;
use crate::bootstrap::{Surroundings, node_id};
use crate::client::Client;
use crate::collector::Collector;
use crate::envoy::{Envoy, HttpCounts};
use crate::topology::Topology;
use layout::Folder;

pub use options::MeshOptions;
pub use startup::validate;

/// Last byte of the address that clients call from; no workload has it.
const CLIENT_HOST: u8 = 254;

/// A running mesh.
#[derive(Debug)]
pub struct Mesh {
    // Dropped in this order: nobody calls what has gone already, and the folder goes last.
    client: Client,
    envoys: BTreeMap<String, Envoy>,
    collector: Option<Collector>,
    background: JoinSet<()>,
    surroundings: Surroundings,
    topology: Arc<Topology>,
    folder: Folder,
    _block: Block,
}

impl Mesh {
    /// Starts a mesh and waits until all of it is ready.
    ///
    /// # Errors
    /// When a part does not start; what had started is stopped.
    pub async fn start(options: MeshOptions) -> Result<Self> {
        Self::start_and_tell(options, &mut |_| {}).await
    }

    /// Starts a mesh and tells of each step before it is taken.
    ///
    /// # Errors
    /// As [`Mesh::start`].
    pub async fn start_and_tell(options: MeshOptions, tell: &mut impl FnMut(&str)) -> Result<Self> {
        startup::start(options, tell).await
    }

    /// A client outside of the mesh.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What was started.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Where it was started.
    pub fn places(&self) -> &Places {
        &self.surroundings.places
    }

    /// Where clients connect.
    ///
    /// # Errors
    /// When the topology has no gateway.
    pub fn gateway(&self) -> Result<SocketAddr> {
        startup::gateway(&self.surroundings)
    }

    /// The Envoy of a workload.
    ///
    /// # Errors
    /// When it has none.
    pub fn envoy(&self, workload: &str) -> Result<&Envoy> {
        self.envoys.get(workload).with_context(|| format!("no Envoy runs for {workload:?}"))
    }

    /// All Envoys, by workload id.
    pub fn envoys(&self) -> &BTreeMap<String, Envoy> {
        &self.envoys
    }

    /// The node id of a workload's proxy.
    ///
    /// # Errors
    /// When the topology does not have the workload.
    pub fn node_id(&self, workload: &str) -> Result<String> {
        let address = self.places().of(workload)?.address;
        Ok(node_id(&self.topology, self.topology.workload(workload)?, address))
    }

    /// Kills the Envoy of a workload without warning and starts it anew.
    ///
    /// # Errors
    /// When it has none, or that is not ready again in time.
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

    /// Starts the collector again, at the same addresses, and waits until it serves.
    ///
    /// # Errors
    /// When it runs, or does not become ready.
    pub async fn start_collector(&mut self) -> Result<()> {
        self.collector_mut()?.start().await
    }

    /// Asks the collector to end, and waits for that.
    ///
    /// # Errors
    /// When it had to be killed, or ended with a failure.
    pub async fn stop_collector(&mut self) -> Result<()> {
        self.collector_mut()?.stop().await
    }

    /// Kills the collector without warning.
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
    /// [`MeshOptions::log_requests`]. It is written 100 ms late.
    pub fn request_log(&self, workload: &str) -> PathBuf {
        self.folder.request_log(workload)
    }

    /// Envoy's counts beside the collector's ledger, as they are now.
    ///
    /// # Errors
    /// When an Envoy or the collector does not answer.
    pub async fn books(&self) -> Result<Vec<ProxyRow>> {
        accounting::read(self).await
    }

    /// Waits until no request is under way and Envoy's own counters stand still; gives them by workload id.
    ///
    /// # Errors
    /// When that has not happened `within` this time.
    pub async fn at_rest(&self, within: Duration) -> Result<BTreeMap<String, HttpCounts>> {
        accounting::at_rest(self, within).await
    }

    /// Waits until the Envoys are at rest and the collector's ledger agrees with each one's own count.
    ///
    /// # Errors
    /// When that has not happened `within` this time; the message shows the books.
    pub async fn settled(&self, within: Duration) -> Result<Vec<ProxyRow>> {
        accounting::settled(self, within).await
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

    fn sent_to_another_thread<T: Send>(_: T) {}

    #[tokio::test]
    async fn a_mesh_can_be_started_from_any_task() {
        sent_to_another_thread(Mesh::start(MeshOptions::new("/nonexistent/envoy")));
    }

    #[tokio::test]
    async fn what_cannot_start_is_named() {
        let error = Mesh::start(MeshOptions::new("/nonexistent/envoy")).await.unwrap_err();
        assert_eq!(error.to_string(), "failed to start the Envoy of gateway-v1");
    }
}
