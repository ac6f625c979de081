//! The mesh in Istio's terms: workloads, services, subsets, routes, hops and faults.
//!
//! In: `mesh/topology.yaml`. Out: a [`Topology`].
//! Invariant: every name in the topology is defined, except for the subset that is missing on
//! purpose; every fault has its cause.

mod workload;
mod service;
mod hop;
mod cause;
mod check;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::fault::Fault;

pub use cause::{Cause, ClientBehavior, Witness};
pub use hop::Hop;
pub use service::{ConnectionPool, Destination, Match, Retries, Route, Service, Subset};
pub use workload::{Application, Call, Kind, Workload};

/// The topology of this folder.
const SHIPPED: &str = include_str!("../mesh/topology.yaml");

/// The whole mesh.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Namespace of every workload and service.
    pub namespace: String,
    /// Trust domain of the SPIFFE identities.
    pub trust_domain: String,
    /// Service account of every workload; without it each workload has an account of its own name.
    #[serde(default)]
    pub service_account: Option<String>,
    /// Cluster id of every workload.
    pub cluster_id: String,
    /// Mesh id of every workload.
    pub mesh_id: String,
    /// Istio version in the proxies' metadata.
    pub istio_version: String,
    /// Port of every service in names; the real port may differ.
    pub service_port: u16,
    /// Deployments, one pod each.
    pub workloads: Vec<Workload>,
    /// Services with their subsets and routes.
    pub services: Vec<Service>,
    /// Slow network links.
    pub hops: Vec<Hop>,
    /// Cause of each fault.
    pub faults: BTreeMap<Fault, Cause>,
}

impl Topology {
    /// Reads the topology of `mesh/topology.yaml`.
    ///
    /// # Errors
    /// When the topology cannot be read or is inconsistent.
    pub fn shipped() -> Result<Self> {
        Self::parse(SHIPPED)
    }

    /// Reads a topology.
    ///
    /// # Errors
    /// When the YAML is not a topology, or a name in it is not defined.
    pub fn parse(yaml: &str) -> Result<Self> {
        let topology: Self = serde_saphyr::from_str(yaml).context("failed to read the topology")?;
        topology.check()?;
        Ok(topology)
    }

    /// The workload with this id.
    ///
    /// # Errors
    /// When there is no such name.
    pub fn workload(&self, id: &str) -> Result<&Workload> {
        let found = self.workloads.iter().find(|workload| workload.id() == id);
        found.with_context(|| format!("the topology has no workload {id:?}"))
    }

    /// The service with this name.
    ///
    /// # Errors
    /// When there is no such name.
    pub fn service(&self, name: &str) -> Result<&Service> {
        let found = self.services.iter().find(|service| service.name == name);
        found.with_context(|| format!("the topology has no service {name:?}"))
    }

    /// The hop with this name.
    ///
    /// # Errors
    /// When there is no such name.
    pub fn hop(&self, name: &str) -> Result<&Hop> {
        let found = self.hops.iter().find(|hop| hop.name == name);
        found.with_context(|| format!("the topology has no hop {name:?}"))
    }

    /// The cause of a fault.
    ///
    /// # Errors
    /// When the topology has no such fault.
    pub fn cause(&self, fault: Fault) -> Result<&Cause> {
        self.faults.get(&fault).with_context(|| format!("the topology has no cause of {fault}"))
    }

    /// The full name of a service's host.
    pub fn host_of(&self, service: &str) -> String {
        format!("{service}.{}.svc.cluster.local", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_topology_is_consistent() {
        let topology = Topology::shipped().unwrap();
        let ids: Vec<String> = topology.workloads.iter().map(Workload::id).collect();
        assert_eq!(ids, ["gateway-v1", "shop-v1", "payments-v1", "payments-v2", "ledger-db-v1", "legacy-v1"]);
        assert_eq!(topology.host_of("payments"), "payments.shop.svc.cluster.local");
    }

    #[test]
    fn an_undefined_name_is_rejected() {
        let check = |from: &str, to: &str| {
            let broken = SHIPPED.replacen(from, to, 1);
            assert_ne!(broken, SHIPPED, "{from:?} does not stand in the topology");
            format!("{:#}", Topology::parse(&broken).unwrap_err())
        };
        assert!(check("calls: [shop]", "calls: [shops]").contains("no service \"shops\""));
        assert!(check("workloads: [shop-v1]", "workloads: [shop-v9]").contains("no workload \"shop-v9\""));
        assert!(check("through: slow-answers", "through: nowhere").contains("no hop \"nowhere\""));
        assert!(check("host: 3", "host: 4").contains("have the same address"));
        assert!(check("calls: {service: legacy", "calls: {service: ledger-db").contains("may not call"));
        assert!(check("  UF:\n", "  XX:\n").contains("XX"));
    }
}
