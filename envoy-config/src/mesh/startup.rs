//! From options to a running mesh.
//!
//! In: [`MeshOptions`]. Out: a [`Mesh`], or the first thing that failed.
//! Always: the collector serves before the first Envoy reports, and applications are bound before the first
//! request can come.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::layout::Folder;
use super::{CLIENT_HOST, Mesh, MeshOptions};
use crate::address::Block;
use crate::address_plan::Places;
use crate::application::Server;
use crate::bootstrap::{AccessLogs, Equipment, Surroundings};
use crate::certificates::Authority;
use crate::client::Client;
use crate::collector::{Collector, CollectorAddress};
use crate::envoy::{self, Envoy, EnvoyCommand};
use crate::hop::SlowHop;
use crate::plugin::FilterSettings;
use crate::topology::{Kind, Topology, Workload};

/// Everything that stands before anything runs.
struct Ground {
    topology: Arc<Topology>,
    surroundings: Surroundings,
    collector: CollectorAddress,
    folder: Folder,
    block: Block,
}

pub(super) async fn start(options: MeshOptions, tell: &mut impl FnMut(&str)) -> Result<Mesh> {
    tell("choosing addresses, issuing certificates, rendering bootstraps");
    let filters = options.filter_exceptions.values().chain([&options.filter]);
    for module in filters.filter_map(|filter| filter.module.as_ref()) {
        ensure!(module.is_file(), "there is no filter at {}", module.display());
    }
    let ground = Ground::prepare(&options)?;
    ground.render(&options)?;
    let collector = match &options.collector {
        Some(binary) => {
            tell("starting the collector");
            let log = ground.folder.collector_log();
            let mut collector = Collector::new(binary.clone(), ground.collector, log)
                .with_options(&options.collector_options);
            collector.start().await?;
            Some(collector)
        }
        None => None,
    };
    let background = ground.applications_and_hops().await?;
    let envoys = ground.envoys(&options, tell).await?;
    let Ground { topology, surroundings, folder, block, .. } = ground;
    let client = Client::new(Arc::clone(&topology), gateway(&surroundings)?, block.address(CLIENT_HOST));
    Ok(Mesh { client, envoys, collector, background, surroundings, topology, folder, _block: block })
}

/// Lets Envoy judge the bootstrap of every workload, and gives back what it says of each; with the filter only
/// where its module is given, since Envoy loads it.
///
/// # Errors
/// When the bootstraps cannot be written.
pub fn validate(envoy: &Path, module: Option<PathBuf>) -> Result<BTreeMap<String, Result<()>>> {
    let options = MeshOptions { filter: FilterSettings::reporting(module), ..MeshOptions::new(envoy) };
    let ground = Ground::prepare(&options)?;
    ground.render(&options)?;
    let judged = ground.proxied().map(|workload| {
        let id = workload.id();
        let judgement = envoy::validate(envoy, &ground.folder.bootstrap(&id));
        (id, judgement)
    });
    Ok(judged.collect())
}

pub(super) fn gateway(surroundings: &Surroundings) -> Result<SocketAddr> {
    let mut workloads = surroundings.topology.workloads.iter();
    let gateway =
        workloads.find(|workload| workload.kind == Kind::Gateway).context("the topology has no gateway")?;
    Ok(surroundings.places.of(&gateway.id())?.entrance())
}

impl Ground {
    fn prepare(options: &MeshOptions) -> Result<Self> {
        let service_account = options.service_account.clone();
        let topology = Topology { service_account, ..Topology::shipped()? };
        let block = Block::claim()?;
        let places = Places::choose(&topology, &block)?;
        let collector = CollectorAddress::choose()?;
        let folder = Folder::create(options.keep_folder)?;
        let surroundings = Surroundings { topology: topology.clone(), places, collector: collector.grpc };
        Ok(Self { topology: Arc::new(topology), surroundings, collector, folder, block })
    }

    /// The workloads that have an Envoy.
    fn proxied(&self) -> impl Iterator<Item = &Workload> {
        self.topology.workloads.iter().filter(|workload| workload.kind != Kind::Absent)
    }

    fn render(&self, options: &MeshOptions) -> Result<()> {
        let certificates = self.folder.certificates();
        let authority = Authority::establish(&certificates, &self.topology.trust_domain)?;
        for workload in self.proxied() {
            let id = workload.id();
            let equipment = Equipment {
                identity: authority.issue(&certificates, &id, &self.topology.spiffe_id(&workload.name))?,
                filter: options.filter_exceptions.get(&id).unwrap_or(&options.filter).clone(),
                logs: AccessLogs {
                    incomplete_heads: self.folder.incomplete_heads(&id),
                    requests: options.log_requests.then(|| self.folder.request_log(&id)),
                },
            };
            let path = self.folder.bootstrap(&id);
            let bootstrap = self.surroundings.render(workload, &equipment)?;
            fs::write(&path, bootstrap).with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }

    async fn applications_and_hops(&self) -> Result<JoinSet<()>> {
        let mut background = JoinSet::new();
        for workload in self.topology.workloads.iter().filter(|workload| workload.application.is_some()) {
            let place = self.surroundings.places.of(&workload.id())?;
            background.spawn(Server::bind(&self.topology, workload, place).await?.serve());
        }
        for hop in &self.topology.hops {
            background.spawn(SlowHop::bind(hop, &self.surroundings.places).await?.serve());
        }
        Ok(background)
    }

    async fn envoys(
        &self,
        options: &MeshOptions,
        tell: &mut impl FnMut(&str),
    ) -> Result<BTreeMap<String, Envoy>> {
        let mut envoys = BTreeMap::new();
        for workload in self.proxied() {
            let id = workload.id();
            tell(&format!("starting the Envoy of {id}"));
            let command = EnvoyCommand {
                name: id.clone(),
                binary: options.envoy.clone(),
                config: self.folder.bootstrap(&id),
                concurrency: options.concurrency,
                log: self.folder.envoy_log(&id),
                admin: (self.surroundings.places.of(&id)?.address, self.surroundings.places.of(&id)?.admin)
                    .into(),
                incomplete_heads: self.folder.incomplete_heads(&id),
            };
            envoys.insert(id, Envoy::start(command)?);
        }
        tell("waiting for the Envoys");
        for envoy in envoys.values_mut() {
            envoy.ready().await?;
        }
        Ok(envoys)
    }
}
