//! Clusters of the services that a workload calls: one for each service and subset.
//!
//! In: the callable services of a workload. Out: clusters with endpoints, metadata and mTLS names
//! as in istiod.
//! Invariant: endpoint metadata name the serving workload, also behind a slow hop.

use std::net::SocketAddr;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::MeshContext;
use crate::topology::{ConnectionPool, Service, Subset, Topology, Workload};

/// istiod's limits without a `DestinationRule`.
const UNLIMITED: ConnectionPool =
    ConnectionPool { max_connections: u32::MAX, max_pending_requests: u32::MAX };

/// A cluster of the bootstrap.
#[derive(Debug, Serialize)]
pub(super) struct Cluster {
    name: String,
    sni: String,
    peer_spiffe_id: String,
    metadata: Value,
    max_connections: u32,
    max_pending_requests: u32,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    address: String,
    port: u16,
    workload: String,
    mtls: bool,
}

/// `outbound|<port>|<subset>|<host>`.
pub(super) fn outbound_name(topology: &Topology, service: &Service, subset: &str) -> String {
    format!("outbound|{}|{subset}|{}", topology.service_port, topology.host_of(&service.name))
}

/// All clusters that a workload calls.
pub(super) fn describe(mesh: &MeshContext, workload: &Workload) -> Result<Vec<Cluster>> {
    let mut clusters = Vec::new();
    for name in &workload.calls {
        let service = mesh.topology.service(name)?;
        clusters.push(cluster(mesh, service, None)?);
        for subset in &service.subsets {
            clusters.push(cluster(mesh, service, Some(subset))?);
        }
    }
    Ok(clusters)
}

fn cluster(mesh: &MeshContext, service: &Service, subset: Option<&Subset>) -> Result<Cluster> {
    let topology = &mesh.topology;
    let name = subset.map_or("", |subset| &subset.name);
    let workloads = subset.map_or(&service.workloads, |subset| &subset.workloads);
    let through = subset.and_then(|subset| subset.through.as_deref());
    let endpoints = workloads.iter().map(|id| endpoint(mesh, service, id, through));
    let pool = subset.and_then(|subset| subset.connection_pool).unwrap_or(UNLIMITED);
    Ok(Cluster {
        name: outbound_name(topology, service, name),
        sni: format!("outbound_.{}_.{name}_.{}", topology.service_port, topology.host_of(&service.name)),
        peer_spiffe_id: topology.spiffe_id(&service.name),
        metadata: metadata(topology, service, subset),
        max_connections: pool.max_connections,
        max_pending_requests: pool.max_pending_requests,
        endpoints: endpoints.collect::<Result<_>>()?,
    })
}

fn metadata(topology: &Topology, service: &Service, subset: Option<&Subset>) -> Value {
    let services = json!([topology.service_metadata(&service.name)]);
    let rule = format!(
        "/apis/networking.istio.io/v1/namespaces/{}/destination-rule/{}",
        topology.namespace, service.name
    );
    match subset {
        Some(subset) => json!({"services": services, "config": rule, "subset": subset.name}),
        None if service.subsets.is_empty() => json!({"services": services}),
        None => json!({"services": services, "config": rule}),
    }
}

fn endpoint(mesh: &MeshContext, service: &Service, id: &str, through: Option<&str>) -> Result<Endpoint> {
    let workload = mesh.topology.workload(id)?;
    let reached: SocketAddr = match through {
        Some(hop) => mesh.plan.of_hop(hop)?,
        None => mesh.plan.of(id)?.inbound_address(),
    };
    let (name, namespace) = (&workload.name, &mesh.topology.namespace);
    Ok(Endpoint {
        address: reached.ip().to_string(),
        port: reached.port(),
        workload: format!("{name};{namespace};{name};{};{}", workload.version, mesh.topology.cluster_id),
        mtls: !service.plaintext,
    })
}
