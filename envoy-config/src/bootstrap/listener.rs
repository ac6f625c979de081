//! The listeners of a proxy with their routes.
//!
//! In: a workload and its callable services. Out: one listener for callers, one for the workload's
//! own calls.
//! Invariant: a route without retries has Istio's defaults for its direction.

use anyhow::Result;
use serde::Serialize;

use super::MeshContext;
use super::cluster::outbound_name;
use crate::address_plan::PodAddresses;
use crate::fault::Fault;
use crate::topology::{Kind, Route, Service, Topology, Workload};

/// Istio 1.31's default conditions for a retry; 503 is no longer among them.
const DEFAULT_RETRY_ON: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

/// Istio's default number of retries, outbound and inbound.
const DEFAULT_RETRIES: u32 = 2;

/// A listener with its HTTP connection manager.
#[derive(Debug, Serialize)]
pub(super) struct Listener {
    name: String,
    port: u16,
    direction: &'static str,
    stat_prefix: String,
    route_config: String,
    virtual_hosts: Vec<VirtualHost>,
    counts_attempts: bool,
    use_remote_address: bool,
    forward_client_cert_details: &'static str,
}

#[derive(Debug, Serialize)]
struct VirtualHost {
    name: String,
    domains: Vec<String>,
    routes: Vec<HttpRoute>,
}

#[derive(Debug, Serialize)]
struct HttpRoute {
    name: String,
    prefix: String,
    fault: Option<Fault>,
    clusters: Vec<WeightedCluster>,
    timeout: String,
    retry_on: String,
    num_retries: u32,
    operation: String,
    inbound: bool,
}

#[derive(Debug, Serialize)]
struct WeightedCluster {
    name: String,
    weight: u32,
}

/// Name of the application's cluster: with the service's port, even where the real port differs.
pub(super) fn inbound_cluster(topology: &Topology) -> String {
    format!("inbound|{}||", topology.service_port)
}

/// The listener for a workload's callers.
pub(super) fn inbound(mesh: &MeshContext, workload: &Workload, pod: &PodAddresses) -> Listener {
    let port = mesh.topology.service_port;
    let cluster = inbound_cluster(&mesh.topology);
    Listener {
        name: format!("{}_{}", pod.ip, pod.inbound),
        port: pod.inbound,
        direction: "INBOUND",
        stat_prefix: format!("inbound_{}_{port};", pod.ip),
        route_config: cluster.clone(),
        virtual_hosts: vec![VirtualHost {
            name: format!("inbound|http|{port}"),
            domains: vec!["*".to_owned()],
            routes: vec![HttpRoute {
                name: "default".to_owned(),
                prefix: "/".to_owned(),
                fault: None,
                clusters: vec![WeightedCluster { name: cluster, weight: 100 }],
                timeout: "0s".to_owned(),
                retry_on: "reset-before-request".to_owned(),
                num_retries: DEFAULT_RETRIES,
                operation: format!("{}.{}:{port}/*", workload.name, mesh.topology.namespace),
                inbound: true,
            }],
        }],
        counts_attempts: false,
        use_remote_address: false,
        forward_client_cert_details: "APPEND_FORWARD",
    }
}

/// The listener for a workload's own calls; for a gateway, the listener for clients.
pub(super) fn outbound(mesh: &MeshContext, workload: &Workload, pod: &PodAddresses) -> Result<Listener> {
    let gateway = workload.kind == Kind::Gateway;
    let listens = if gateway { pod.inbound } else { pod.outbound };
    let port = mesh.topology.service_port;
    let services = workload.calls.iter().map(|service| mesh.topology.service(service));
    let hosts = services.map(|service| Ok(virtual_host(&mesh.topology, service?, gateway)));
    Ok(Listener {
        name: format!("{}_{listens}", pod.ip),
        port: listens,
        direction: "OUTBOUND",
        stat_prefix: format!("outbound_{}_{port};", pod.ip),
        route_config: if gateway { format!("http.{port}") } else { port.to_string() },
        virtual_hosts: hosts.collect::<Result<_>>()?,
        counts_attempts: true,
        use_remote_address: gateway,
        forward_client_cert_details: if gateway { "SANITIZE_SET" } else { "SANITIZE" },
    })
}

fn virtual_host(topology: &Topology, service: &Service, gateway: bool) -> VirtualHost {
    let (name, namespace, port) = (&service.name, &topology.namespace, topology.service_port);
    let host = topology.host_of(name);
    let short =
        [format!("{host}."), name.clone(), format!("{name}.{namespace}.svc"), format!("{name}.{namespace}")];
    let (name, domains) = if gateway {
        (format!("*:{port}"), vec!["*".to_owned()])
    } else {
        (format!("{host}:{port}"), [host.clone()].into_iter().chain(short).collect())
    };
    let routes = if service.routes.is_empty() {
        vec![default_route(topology, service)]
    } else {
        service.routes.iter().map(|route| http_route(topology, service, route)).collect()
    };
    VirtualHost { name, domains, routes }
}

fn default_route(topology: &Topology, service: &Service) -> HttpRoute {
    let port = topology.service_port;
    HttpRoute {
        name: "default".to_owned(),
        prefix: "/".to_owned(),
        fault: None,
        clusters: vec![WeightedCluster { name: outbound_name(topology, service, ""), weight: 100 }],
        timeout: "0s".to_owned(),
        retry_on: DEFAULT_RETRY_ON.to_owned(),
        num_retries: DEFAULT_RETRIES,
        operation: format!("{}:{port}/*", topology.host_of(&service.name)),
        inbound: false,
    }
}

fn http_route(topology: &Topology, service: &Service, route: &Route) -> HttpRoute {
    let clusters = route.destinations.iter().map(|destination| WeightedCluster {
        name: outbound_name(topology, service, &destination.subset),
        weight: destination.weight.unwrap_or(100),
    });
    let mut described = HttpRoute {
        name: route.name.clone(),
        prefix: route.r#match.path.clone(),
        fault: route.r#match.fault,
        clusters: clusters.collect(),
        timeout: route.timeout_ms.map_or("0s".to_owned(), in_seconds),
        ..default_route(topology, service)
    };
    if let Some(retries) = &route.retries {
        described.retry_on.clone_from(&retries.on);
        described.num_retries = retries.attempts;
    }
    described
}

/// Envoy's spelling of a duration.
fn in_seconds(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1000, ms % 1000)
}
