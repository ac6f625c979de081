//! A pair of Envoys that speak more than the mesh's HTTP: TCP, gRPC, WebSocket.
//!
//! In: the parts, and the filter's configuration. Out: `shop` and `payments` of the shipped topology, each with an Envoy that
//! carries the filter as an HTTP and as a NETWORK plugin on every listener, an application behind the second, a collector.
//! Always: mTLS between the two, with the names that istiod gives; free ports; everything ends with the [`Protocols`].

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

/// The workload that calls.
pub const SOURCE: &str = "shop-v1";
/// The workload that is called.
pub const DESTINATION: &str = "payments-v1";

/// The running pair.
#[derive(Debug)]
pub struct Protocols {
    source: Envoy,
    destination: Envoy,
    collector: Collector,
    doors: Doors,
    background: JoinSet<()>,
    _folder: TempDir,
    _block: Block,
}

/// Where one connects to the calling Envoy.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    /// TCP, to the application.
    pub tcp: SocketAddr,
    /// TCP, to a port that nothing listens on (UF).
    pub refused: SocketAddr,
    /// TCP, to a cluster that does not exist (NC).
    pub nowhere: SocketAddr,
    /// TCP, to a cluster without endpoints, as istiod has it for what is to go nowhere (UH).
    pub black_hole: SocketAddr,
    /// HTTP: WebSocket below `/ws`, gRPC below `/grpc`, both over a connection of their own.
    pub http: SocketAddr,
}

/// What it is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The Envoy binary.
    pub envoy: PathBuf,
    /// The binary `hopscope`.
    pub collector: PathBuf,
    /// The filter, with a module.
    pub filter: FilterSettings,
    /// HTTP filters before it on every listener, as Envoy's API has them.
    pub before: Vec<serde_json::Value>,
}

impl Protocols {
    /// Starts all, and waits until it is ready.
    ///
    /// # Errors
    /// When a part does not start; what had started is stopped.
    pub async fn start(parts: &Parts) -> Result<Self> {
        let topology = Topology::shipped()?;
        let block = Block::claim()?;
        let place = CollectorAddress::choose()?;
        let folder = tempfile::Builder::new().prefix("hopscope-protocols-").tempdir()?;
        let authority = Authority::establish(folder.path(), &topology.trust_domain)?;
        let pair = Pair::choose(topology, &block, place.grpc)?;
        let mut collector =
            Collector::new(parts.collector.clone(), place, folder.path().join("collector.log"));
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
        let doors = pair.doors();
        Ok(Self { source, destination, collector, doors, background, _folder: folder, _block: block })
    }

    /// Where to connect.
    pub fn doors(&self) -> Doors {
        self.doors
    }

    /// The calling Envoy and the called one.
    pub fn envoys(&self) -> [&Envoy; 2] {
        [&self.source, &self.destination]
    }

    /// The collector.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The collector, to be stopped and started.
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
