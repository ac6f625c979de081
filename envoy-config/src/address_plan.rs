//! Where everything of the topology is found on this machine.
//!
//! In: the topology and a block of addresses. Out: an address and ports for each workload and hop.
//! Always: the usual ports of Istio where they are free, the next free ones where not.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};

use crate::address::{Block, free_port};
use crate::topology::Topology;

/// Address and ports of one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its own address; it calls from it as well.
    pub address: Ipv4Addr,
    /// Where its callers connect.
    pub inbound: u16,
    /// Where its own application connects to call others.
    pub outbound: u16,
    /// Envoy's admin pages.
    pub admin: u16,
    /// The application behind the proxy.
    pub application: u16,
}

impl Place {
    /// Where callers connect.
    pub fn entrance(&self) -> SocketAddr {
        (self.address, self.inbound).into()
    }
}

/// All places of a mesh.
#[derive(Debug, Clone)]
pub struct Places {
    workloads: BTreeMap<String, Place>,
    hops: BTreeMap<String, SocketAddr>,
}

impl Places {
    /// Finds a place for each workload and hop.
    ///
    /// # Errors
    /// When no port is free.
    pub fn choose(topology: &Topology, block: &Block) -> Result<Self> {
        let mut places = Self { workloads: BTreeMap::new(), hops: BTreeMap::new() };
        for workload in &topology.workloads {
            let address = block.address(workload.host);
            let place = Place {
                address,
                inbound: free_port(address, 8080)?,
                outbound: free_port(address, 15001)?,
                admin: free_port(address, 15000)?,
                application: free_port(address, 18080)?,
            };
            places.workloads.insert(workload.id(), place);
        }
        for hop in &topology.hops {
            let address = block.address(hop.host);
            places.hops.insert(hop.name.clone(), (address, free_port(address, 8080)?).into());
        }
        Ok(places)
    }

    /// The place of a workload.
    ///
    /// # Errors
    /// When the topology does not have it.
    pub fn of(&self, workload: &str) -> Result<&Place> {
        self.workloads.get(workload).with_context(|| format!("no place for the workload {workload:?}"))
    }

    /// Where a hop is entered.
    ///
    /// # Errors
    /// When the topology does not have it.
    pub fn of_hop(&self, hop: &str) -> Result<SocketAddr> {
        self.hops.get(hop).copied().with_context(|| format!("no place for the hop {hop:?}"))
    }
}
