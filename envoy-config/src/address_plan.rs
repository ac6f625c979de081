//! Addresses of the topology on this machine.
//!
//! In: the topology and a block of addresses. Out: an address and ports for each workload and hop.
//! Invariant: ports are the usual ones of Istio where these are free, else the next free ones.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};

use crate::address::{Block, free_port};
use crate::topology::Topology;

/// Address and ports of one workload's pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodAddresses {
    /// Address of the pod; its calls come from this address as well.
    pub ip: Ipv4Addr,
    /// Port for callers.
    pub inbound: u16,
    /// Port of the proxy for calls of the pod's own application.
    pub outbound: u16,
    /// Port of Envoy's admin interface.
    pub admin: u16,
    /// Port of the application behind the proxy.
    pub application: u16,
}

impl PodAddresses {
    /// Address for callers.
    pub fn inbound_address(&self) -> SocketAddr {
        (self.ip, self.inbound).into()
    }
}

/// All addresses of a mesh.
#[derive(Debug, Clone)]
pub struct AddressPlan {
    workloads: BTreeMap<String, PodAddresses>,
    hops: BTreeMap<String, SocketAddr>,
}

impl AddressPlan {
    /// Assigns addresses to each workload and hop.
    ///
    /// # Errors
    /// When no port is free.
    pub fn choose(topology: &Topology, block: &Block) -> Result<Self> {
        let mut plan = Self { workloads: BTreeMap::new(), hops: BTreeMap::new() };
        for workload in &topology.workloads {
            let address = block.address(workload.host);
            let pod = PodAddresses {
                ip: address,
                inbound: free_port(address, 8080)?,
                outbound: free_port(address, 15001)?,
                admin: free_port(address, 15000)?,
                application: free_port(address, 18080)?,
            };
            plan.workloads.insert(workload.id(), pod);
        }
        for hop in &topology.hops {
            let address = block.address(hop.host);
            plan.hops.insert(hop.name.clone(), (address, free_port(address, 8080)?).into());
        }
        Ok(plan)
    }

    /// Addresses of a workload.
    ///
    /// # Errors
    /// When the topology does not have it.
    pub fn of(&self, workload: &str) -> Result<&PodAddresses> {
        self.workloads.get(workload).with_context(|| format!("no address for the workload {workload:?}"))
    }

    /// Address of a hop's listener.
    ///
    /// # Errors
    /// When the topology does not have it.
    pub fn of_hop(&self, hop: &str) -> Result<SocketAddr> {
        self.hops.get(hop).copied().with_context(|| format!("no address for the hop {hop:?}"))
    }
}
