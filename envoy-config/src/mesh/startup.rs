//! Start of a mesh.
//!
//! In: [`MeshOptions`]. Out: a [`Mesh`], or the first failure.
//! Invariant: the collector is ready before the first Envoy starts, and applications are bound
//! before the first request.

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
use crate::address_plan::AddressPlan;
use crate::application::Server;
use crate::bootstrap::{AccessLogs, MeshContext, ProxySettings};
use crate::certificates::Authority;
use crate::client::Client;
use crate::collector::{Collector, CollectorAddress};
use crate::envoy::{self, Envoy, EnvoyCommand};
use crate::hop::SlowHop;
use crate::plugin::FilterSettings;
use crate::topology::{Kind, Topology, Workload};

/// Topology, addresses and files, before any process runs.
struct PreparedMesh {
    topology: Arc<Topology>,
    context: MeshContext,
    collector: CollectorAddress,
    folder: Folder,
    block: Block,
}

pub(super) async fn start(options: MeshOptions, progress: &mut impl FnMut(&str)) -> Result<Mesh> {
    progress("choosing addresses, issuing certificates, rendering bootstraps");
    let filters = options.filter_exceptions.values().chain([&options.filter]);
    for module in filters.filter_map(|filter| filter.module.as_ref()) {
        ensure!(module.is_file(), "no filter at {}", module.display());
    }
    let prepared = PreparedMesh::prepare(&options)?;
    prepared.render(&options)?;
    let collector = match &options.collector {
        Some(binary) => {
            progress("starting the collector");
            let log = prepared.folder.collector_log();
            let mut collector = Collector::new(binary.clone(), prepared.collector, log)
                .with_options(&options.collector_options);
            collector.start().await?;
            Some(collector)
        }
        None => None,
    };
    let background = prepared.applications_and_hops().await?;
    let envoys = prepared.envoys(&options, progress).await?;
    let PreparedMesh { topology, context, folder, block, .. } = prepared;
    let client = Client::new(Arc::clone(&topology), gateway(&context)?, block.address(CLIENT_HOST));
    Ok(Mesh { client, envoys, collector, background, context, topology, folder, _block: block })
}

/// Validates the bootstrap of every workload with Envoy; with the filter only where a module is
/// given, since Envoy loads it.
///
/// # Errors
/// When the bootstraps cannot be written.
pub fn validate(envoy: &Path, module: Option<PathBuf>) -> Result<BTreeMap<String, Result<()>>> {
    let options = MeshOptions { filter: FilterSettings::reporting(module), ..MeshOptions::new(envoy) };
    let prepared = PreparedMesh::prepare(&options)?;
    prepared.render(&options)?;
    let results = prepared.proxied().map(|workload| {
        let id = workload.id();
        let result = envoy::validate(envoy, &prepared.folder.bootstrap(&id));
        (id, result)
    });
    Ok(results.collect())
}

pub(super) fn gateway(context: &MeshContext) -> Result<SocketAddr> {
    let mut workloads = context.topology.workloads.iter();
    let gateway =
        workloads.find(|workload| workload.kind == Kind::Gateway).context("the topology has no gateway")?;
    Ok(context.plan.of(&gateway.id())?.inbound_address())
}

impl PreparedMesh {
    fn prepare(options: &MeshOptions) -> Result<Self> {
        let service_account = options.service_account.clone();
        let topology = Topology { service_account, ..Topology::shipped()? };
        let block = Block::claim()?;
        let plan = AddressPlan::choose(&topology, &block)?;
        let collector = CollectorAddress::choose()?;
        let folder = Folder::create(options.keep_folder)?;
        let context = MeshContext { topology: topology.clone(), plan, collector: collector.grpc };
        Ok(Self { topology: Arc::new(topology), context, collector, folder, block })
    }

    /// Workloads with an Envoy.
    fn proxied(&self) -> impl Iterator<Item = &Workload> {
        self.topology.workloads.iter().filter(|workload| workload.kind != Kind::Absent)
    }

    fn render(&self, options: &MeshOptions) -> Result<()> {
        let certificates = self.folder.certificates();
        let authority = Authority::establish(&certificates, &self.topology.trust_domain)?;
        for workload in self.proxied() {
            let id = workload.id();
            let settings = ProxySettings {
                identity: authority.issue(&certificates, &id, &self.topology.spiffe_id(&workload.name))?,
                filter: options.filter_exceptions.get(&id).unwrap_or(&options.filter).clone(),
                logs: AccessLogs {
                    incomplete_heads: self.folder.incomplete_heads(&id),
                    requests: options.log_requests.then(|| self.folder.request_log(&id)),
                },
            };
            let path = self.folder.bootstrap(&id);
            let bootstrap = self.context.render(workload, &settings)?;
            fs::write(&path, bootstrap).with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }

    async fn applications_and_hops(&self) -> Result<JoinSet<()>> {
        let mut background = JoinSet::new();
        for workload in self.topology.workloads.iter().filter(|workload| workload.application.is_some()) {
            let pod = self.context.plan.of(&workload.id())?;
            background.spawn(Server::bind(&self.topology, workload, pod).await?.serve());
        }
        for hop in &self.topology.hops {
            background.spawn(SlowHop::bind(hop, &self.context.plan).await?.serve());
        }
        Ok(background)
    }

    async fn envoys(
        &self,
        options: &MeshOptions,
        progress: &mut impl FnMut(&str),
    ) -> Result<BTreeMap<String, Envoy>> {
        let mut envoys = BTreeMap::new();
        for workload in self.proxied() {
            let id = workload.id();
            progress(&format!("starting the Envoy of {id}"));
            let command = EnvoyCommand {
                name: id.clone(),
                binary: options.envoy.clone(),
                config: self.folder.bootstrap(&id),
                concurrency: options.concurrency,
                log: self.folder.envoy_log(&id),
                admin: (self.context.plan.of(&id)?.ip, self.context.plan.of(&id)?.admin).into(),
                incomplete_heads: self.folder.incomplete_heads(&id),
            };
            envoys.insert(id, Envoy::start(command)?);
        }
        progress("waiting for the Envoys");
        for envoy in envoys.values_mut() {
            envoy.ready().await?;
        }
        Ok(envoys)
    }
}
