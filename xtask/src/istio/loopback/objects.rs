//! Istio objects that describe workloads outside pods.
//!
//! In: workloads.
//! Out: a `WorkloadEntry` for each workload with a port, a `Sidecar` for each workload with a
//! proxy.
//! Invariant: every listener has an address of its own, so that no two Envoys of this machine bind
//! the same.

use crate::istio::site::Site;
use crate::istio::workload::Workload;
use serde_json::{Value, json};

/// The port of the Services, which applications call.
const HTTP: u16 = 8080;

/// Returns the mesh's objects with the gateway's listener bound to the gateway's address.
pub(super) fn bound(manifest: &str) -> String {
    let bind = format!("servers: [{{ bind: {}, port:", Site::Loopback.gateway());
    manifest.replace("servers: [{ port:", &bind)
}

/// Returns the objects of all workloads as one list.
pub(super) fn of(workloads: &[Workload]) -> Value {
    let called = workloads.iter().filter(|workload| workload.port().is_some());
    let entries = called.map(entry);
    let sidecars = workloads.iter().filter(|workload| workload.has_sidecar()).map(sidecar);
    json!({"apiVersion": "v1", "kind": "List", "items": entries.chain(sidecars).collect::<Vec<_>>()})
}

/// A `WorkloadEntry`; Services select it by its labels, as they select pods.
fn entry(workload: &Workload) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "WorkloadEntry",
        "metadata": {"name": workload.name, "namespace": workload.namespace, "labels": workload.labels},
        "spec": {
            "address": workload.address,
            "labels": workload.labels,
            "serviceAccount": workload.account(),
        },
    })
}

fn sidecar(workload: &Workload) -> Value {
    let inward = workload.address.as_str();
    let outward = outward(inward);
    let port = |number: u16, protocol: &str| {
        let name = format!("{}-{number}", protocol.to_lowercase());
        json!({"number": number, "protocol": protocol, "name": name})
    };
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": workload.name, "namespace": workload.namespace},
        "spec": {
            "workloadSelector": {"labels": workload.labels},
            "ingress": [{
                "port": port(HTTP, "HTTP"),
                "bind": inward,
                "captureMode": "NONE",
                "defaultEndpoint": format!("127.0.0.1:{}", workload.port().unwrap_or_default()),
            }],
            "egress": [
                {"port": port(HTTP, "HTTP"), "bind": outward, "captureMode": "NONE", "hosts": ["./*"]},
                // No client calls this port; the listener makes istiod send the collector's
                // cluster.
                {"port": port(50051, "GRPC"), "bind": outward, "captureMode": "NONE", "hosts": ["observability/*"]},
            ],
        },
    })
}

/// The address where a workload's Envoy accepts the calls of its application.
pub(in crate::istio) fn outward(inward: &str) -> String {
    inward.replacen("127.77.0.", "127.77.1.", 1)
}

#[cfg(test)]
mod tests {
    use super::{of, outward};
    use crate::istio::workload;

    #[test]
    fn a_listener_has_an_address_of_its_own_in_both_directions() {
        let text = "
- { name: a-v1, namespace: shop, address: 127.77.0.12, labels: { app: a }, ports: [28012] }
- { name: gate, namespace: shop, address: 127.77.0.11, labels: { app: gate }, gateway: true }";
        let objects = of(&workload::read(text).unwrap());
        let kinds: Vec<&str> =
            objects["items"].as_array().unwrap().iter().map(|o| o["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["WorkloadEntry", "Sidecar"]);
        let sidecar = &objects["items"][1]["spec"];
        assert_eq!(sidecar["ingress"][0]["bind"], "127.77.0.12");
        assert_eq!(sidecar["ingress"][0]["defaultEndpoint"], "127.0.0.1:28012");
        assert_eq!(sidecar["egress"][0]["bind"], "127.77.1.12");
        assert_eq!(outward("127.77.0.7"), "127.77.1.7");
    }
}
