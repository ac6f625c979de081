//! A pair of Envoys for protocols other than HTTP/1: TCP, gRPC, WebSocket.
//!
//! In: programs and the filter's configuration. Out: `shop` and `payments` of the shipped topology,
//! each with an Envoy that has the filter as an HTTP and as a NETWORK plugin on every listener; an
//! application behind the second; a collector.
//! Invariant: mTLS between the two, with the names of istiod; free ports; everything ends with the
//! [`Protocols`].

mod application;
mod describe;

pub mod client;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::address::Block;
use crate::certificates::Authority;
use crate::collector::{Collector, CollectorAddress};
use crate::envoy::{Envoy, EnvoyCommand};
use crate::plugin::FilterSettings;
use crate::topology::Topology;
use application::Application;
use describe::{Pair, Side};

/// Source workload.
pub const SOURCE: &str = "shop-v1";
/// Destination workload.
pub const DESTINATION: &str = "payments-v1";

/// The running pair.
#[derive(Debug)]
pub struct Protocols {
    source: Envoy,
    destination: Envoy,
    collector: Collector,
    listeners: Listeners,
    background: JoinSet<()>,
    _folder: TempDir,
    _block: Block,
}

/// Listeners of the source's Envoy.
#[derive(Debug, Clone, Copy)]
pub struct Listeners {
    /// TCP to the application.
    pub tcp: SocketAddr,
    /// TCP to a closed port (UF).
    pub refused: SocketAddr,
    /// TCP to a missing cluster (NC).
    pub nowhere: SocketAddr,
    /// TCP to a cluster without endpoints, such as istiod's `BlackHoleCluster` (UH).
    pub black_hole: SocketAddr,
    /// HTTP: WebSocket below `/ws`, gRPC below `/grpc`.
    pub http: SocketAddr,
}

/// Programs and settings of a pair.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Envoy binary.
    pub envoy: PathBuf,
    /// Binary `hopscope`.
    pub collector: PathBuf,
    /// Filter, with a module.
    pub filter: FilterSettings,
    /// HTTP filters before it on every listener, in the form of Envoy's API.
    pub before: Vec<serde_json::Value>,
}

impl Protocols {
    /// Starts a pair and waits until it is ready.
    ///
    /// # Errors
    /// When a part does not start; all started parts are stopped.
    pub async fn start(parts: &Parts) -> Result<Self> {
        let topology = Topology::shipped()?;
        let block = Block::claim()?;
        let collector_address = CollectorAddress::choose()?;
        let folder = tempfile::Builder::new().prefix("hopscope-protocols-").tempdir()?;
        let authority = Authority::establish(folder.path(), &topology.trust_domain)?;
        let pair = Pair::choose(topology, &block, collector_address.grpc)?;
        let mut collector =
            Collector::new(parts.collector.clone(), collector_address, folder.path().join("collector.log"));
        collector.start().await?;
        let mut background = JoinSet::new();
        let application = Application::bind(pair.application()).await?;
        background.spawn(application.serve());
        let start = |side: Side| -> Result<Envoy> {
            let id = side.workload();
            let identity = authority.issue(folder.path(), id, &pair.spiffe_id(side)?)?;
            let config = folder.path().join(format!("{id}.yaml"));
            fs::write(&config, pair.render(side, &identity, parts)?)
                .with_context(|| format!("failed to write {}", config.display()))?;
            Envoy::start(EnvoyCommand {
                name: id.to_owned(),
                binary: parts.envoy.clone(),
                config,
                concurrency: 2,
                log: folder.path().join(format!("{id}.log")),
                admin: pair.admin(side),
                incomplete_heads: folder.path().join("none.log"),
            })
        };
        let (mut source, mut destination) = (start(Side::Source)?, start(Side::Destination)?);
        source.ready().await?;
        destination.ready().await?;
        let listeners = pair.listeners();
        Ok(Self { source, destination, collector, listeners, background, _folder: folder, _block: block })
    }

    /// Listeners of the source's Envoy.
    pub fn listeners(&self) -> Listeners {
        self.listeners
    }

    /// Envoys of source and destination.
    pub fn envoys(&self) -> [&Envoy; 2] {
        [&self.source, &self.destination]
    }

    /// The collector.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The collector, to stop and start it.
    pub fn collector_mut(&mut self) -> &mut Collector {
        &mut self.collector
    }

    /// Stops everything.
    ///
    /// # Errors
    /// When a part had to be killed, or ended with a failure; the rest is stopped nonetheless.
    pub async fn stop(mut self) -> Result<()> {
        let ends = [self.source.stop().await, self.destination.stop().await];
        let collector = self.collector.stop().await;
        self.background.shutdown().await;
        ends.into_iter().try_for_each(|end| end.map(|_| ())).and(collector)
    }
}
