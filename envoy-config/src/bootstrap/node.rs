//! Node id and metadata of a proxy.
//!
//! In: a workload and its address. Out: the `node` of a bootstrap, in the form of pilot-agent.

use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::{Value, json};

use crate::topology::{Kind, Topology, Workload};

/// The `node` of a bootstrap.
#[derive(Debug, Serialize)]
pub(crate) struct Node {
    id: String,
    cluster: String,
    metadata: Value,
}

/// `sidecar~<address>~<pod>.<namespace>~<namespace>.svc.cluster.local`, or `router~…` for a
/// gateway.
pub fn node_id(topology: &Topology, workload: &Workload, address: Ipv4Addr) -> String {
    let role = if workload.kind == Kind::Gateway { "router" } else { "sidecar" };
    let (pod, namespace) = (&workload.pod, &topology.namespace);
    format!("{role}~{address}~{pod}.{namespace}~{namespace}.svc.cluster.local")
}

pub(crate) fn describe(topology: &Topology, workload: &Workload, address: Ipv4Addr) -> Node {
    let Workload { name, version, pod, .. } = workload;
    let namespace = &topology.namespace;
    let port = topology.service_port;
    let plaintext = topology.service(name).is_ok_and(|service| service.plaintext);
    Node {
        id: node_id(topology, workload, address),
        cluster: format!("{name}.{namespace}"),
        metadata: json!({
            "NAME": pod,
            "NAMESPACE": namespace,
            "WORKLOAD_NAME": name,
            "OWNER": format!("kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{name}"),
            "SERVICE_ACCOUNT": topology.service_account.as_ref().unwrap_or(name),
            "CLUSTER_ID": topology.cluster_id,
            "MESH_ID": topology.mesh_id,
            "INSTANCE_IPS": address.to_string(),
            "NODE_NAME": "loopback",
            "ISTIO_VERSION": topology.istio_version,
            "INTERCEPTION_MODE": "NONE",
            "METADATA_DISCOVERY": "false",
            "APP_CONTAINERS": name,
            "POD_PORTS": json!([{"containerPort": port, "protocol": "TCP"}]).to_string(),
            "PILOT_SAN": ["istiod.istio-system.svc"],
            "LABELS": {
                "app": name,
                "version": version,
                "security.istio.io/tlsMode": if plaintext { "disabled" } else { "istio" },
                "service.istio.io/canonical-name": name,
                "service.istio.io/canonical-revision": version,
            },
        }),
    }
}
