//! The mesh in the words of Istio: workloads, services, subsets, routes, hops and faults.
//!
//! In: `mesh/topology.yaml`. Out: a [`Topology`].
//! Always: every name that the topology refers to is defined, but for the subset that is missing on purpose;
//! every fault has its cause.

mod workload;
mod service;
mod hop;
mod cause;
mod check;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::fault::Fault;

pub use cause::{Cause, ClientConduct, Witness};
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
    /// Service account of every workload; without one each has its own, of its name.
    #[serde(default)]
    pub service_account: Option<String>,
    /// Cluster id of every workload.
    pub cluster_id: String,
    /// Mesh id of every workload.
    pub mesh_id: String,
    /// The version that the proxies claim.
    pub istio_version: String,
    /// Port of every service, as names carry it; the real port may be another one.
    pub service_port: u16,
    /// Deployments, one pod each.
    pub workloads: Vec<Workload>,
    /// Services with their subsets and routes.
    pub services: Vec<Service>,
    /// Slow stretches of network.
    pub hops: Vec<Hop>,
    /// What causes each fault.
    pub faults: BTreeMap<Fault, Cause>,
}

impl Topology {
    /// The topology that stands in `mesh/topology.yaml`.
    ///
    /// # Errors
    /// When it cannot be read or contradicts itself.
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
    /// When there is none.
    pub fn workload(&self, id: &str) -> Result<&Workload> {
        let found = self.workloads.iter().find(|workload| workload.id() == id);
        found.with_context(|| format!("the topology has no workload {id:?}"))
    }

    /// The service with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn service(&self, name: &str) -> Result<&Service> {
        let found = self.services.iter().find(|service| service.name == name);
        found.with_context(|| format!("the topology has no service {name:?}"))
    }

    /// The hop with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn hop(&self, name: &str) -> Result<&Hop> {
        let found = self.hops.iter().find(|hop| hop.name == name);
        found.with_context(|| format!("the topology has no hop {name:?}"))
    }

    /// The cause of a fault.
    ///
    /// # Errors
    /// When the topology does not have it.
    pub fn cause(&self, fault: Fault) -> Result<&Cause> {
        self.faults.get(&fault).with_context(|| format!("the topology does not say what causes {fault}"))
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
    fn the_shipped_topology_holds_together() {
        let topology = Topology::shipped().unwrap();
        let ids: Vec<String> = topology.workloads.iter().map(Workload::id).collect();
        assert_eq!(ids, ["gateway-v1", "shop-v1", "payments-v1", "payments-v2", "ledger-db-v1", "legacy-v1"]);
        assert_eq!(topology.host_of("payments"), "payments.shop.svc.cluster.local");
    }

    #[test]
    fn a_name_that_is_not_defined_is_refused() {
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
