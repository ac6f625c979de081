//! Pods without Kubernetes nodes: the work of the kubelet, the endpoint controller and the
//! container runtime.
//!
//! In: workloads.
//! Out: pods that the API server knows and istiod's webhook has injected, each with a network
//! namespace, mounts, traffic captured by istio-iptables, agent, Envoy and application.
//! Invariant: a process runs with the arguments and the environment of the injected pod.

mod container;
mod sandbox;

pub(super) use container::root_certificate;
pub(super) use sandbox::{Sandbox, pause};

use super::workload::Workload;
use super::{cluster, control_plane, run};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The port of an injected proxy's readiness endpoint.
const READY_PORT: u16 = 15021;

/// A running pod, or a machine outside of the cluster that is made the same way.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Pod {
    /// Name of the Deployment.
    pub(super) workload: String,
    /// Generated name of the pod, empty outside of the cluster.
    pub(super) name: String,
    /// Empty outside of the cluster.
    pub(super) namespace: String,
    /// The only address of the pod.
    pub(super) address: String,
    /// The process that holds the pod's namespaces.
    pub(super) sandbox: u32,
    /// Whether the pod has a proxy.
    pub(super) proxy: bool,
    /// The port of the proxy's readiness endpoint.
    pub(super) ready_port: u16,
}

/// Starts a workload's pod without its application. The proxy may not be ready when this returns.
pub(super) fn start(workload: &Workload, envoy: &Path) -> anyhow::Result<Pod> {
    let created = workload.pod().map(|pod| create(&pod, &workload.address)).transpose()?;
    let mut pod = Pod {
        workload: workload.name.clone(),
        name: created.as_ref().map(|pod| cluster::text(pod, "/metadata/name").to_owned()).unwrap_or_default(),
        namespace: workload.namespace.clone().unwrap_or_default(),
        address: workload.address.clone(),
        sandbox: 0,
        proxy: false,
        ready_port: READY_PORT,
    };
    let files = match &created {
        Some(created) => container::files(created, workload.account())?,
        None => Vec::new(),
    };
    let sandbox = Sandbox::start(&workload.name, &workload.address, &files, envoy)?;
    pod.sandbox = sandbox.process();
    if let Some(created) = &created {
        container::initialise(created, &sandbox)?;
        pod.proxy = container::start_proxy(created, &sandbox, &workload.name)?;
    }
    Ok(pod)
}

/// Starts the application of a pod, and waits until it accepts connections.
pub(super) fn start_application(pod: &Pod, workload: &Workload) -> anyhow::Result<()> {
    let Some(port) = workload.port() else { return Ok(()) };
    container::start_application(workload, &Sandbox::of(pod.sandbox))?;
    run::wait_for(&format!("the application of {}", pod.workload), Duration::from_secs(20), || {
        Ok(std::net::TcpStream::connect((pod.address.as_str(), port)).ok())
    })
    .with_context(|| run::last_log_lines(&format!("{}.application", pod.workload)))
    .map(drop)
}

/// Ends a pod and all its processes.
pub(super) fn end(pod: &Pod) -> anyhow::Result<()> {
    let delete = ["delete", "pod", &pod.name, "-n", &pod.namespace, "--force", "--grace-period=0"];
    crate::process::quietly(&mut cluster::kubectl(delete))?;
    Sandbox::of(pod.sandbox).end()
}

/// Waits until a pod's proxy, where it has one, is ready.
pub(super) fn wait_proxy(pod: &Pod) -> anyhow::Result<()> {
    if !pod.proxy {
        return Ok(());
    }
    run::wait_for(&format!("a ready proxy of {}", pod.workload), Duration::from_secs(60), || {
        Ok(super::http::get(&pod.address, pod.ready_port, "/healthz/ready")
            .ok()
            .filter(|answer| answer.status == 200))
    })
    .with_context(|| run::last_log_lines(&format!("{}.proxy", pod.workload)))
    .map(drop)
}

/// Creates the pod and reports its address in the status, as a kubelet does.
fn create(pod: &Value, address: &str) -> anyhow::Result<Value> {
    let mut created = cluster::create(pod)?;
    let status = json!({
        "phase": "Running",
        "hostIP": control_plane::ADDRESS,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    });
    let (name, namespace) =
        (cluster::text(&created, "/metadata/name"), cluster::text(&created, "/metadata/namespace"));
    let patch = json!({"status": status}).to_string();
    let arguments =
        ["patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch];
    crate::process::quietly(&mut cluster::kubectl(arguments))?;
    if let Some(object) = created.as_object_mut() {
        object.insert("status".to_owned(), status);
    }
    Ok(created)
}

/// Writes the `EndpointSlice` of each Service, as the endpoint controller does, and the host names
/// of the machine.
pub(super) fn sync_endpoints() -> anyhow::Result<()> {
    let (services, pods) = (cluster::list("services")?, cluster::list("pods")?);
    let slices: Vec<Value> = services.iter().filter_map(|service| slice(service, &pods)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": slices});
    cluster::apply(&list.to_string())?;
    let named = services.iter().map(|service| {
        let (name, namespace) =
            (cluster::text(service, "/metadata/name"), cluster::text(service, "/metadata/namespace"));
        let of = format!("{name}.{namespace}");
        (
            cluster::text(service, "/spec/clusterIP").to_owned(),
            format!("{of} {of}.svc {of}.svc.cluster.local"),
        )
    });
    control_plane::hosts(&named.filter(|(address, _)| address != "None").collect::<Vec<_>>())
}

fn slice(service: &Value, pods: &[Value]) -> Option<Value> {
    let selector = service.pointer("/spec/selector")?.as_object()?;
    let (name, namespace) =
        (cluster::text(service, "/metadata/name"), cluster::text(service, "/metadata/namespace"));
    let selected = pods.iter().filter(|pod| {
        let labels = pod.pointer("/metadata/labels");
        cluster::text(pod, "/metadata/namespace") == namespace
            && selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    });
    let endpoints: Vec<Value> = selected.map(endpoint).collect();
    let ports: Vec<Value> = service.pointer("/spec/ports")?.as_array()?.iter().map(port).collect();
    Some(json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }))
}

fn endpoint(pod: &Value) -> Value {
    json!({
        "addresses": [cluster::text(pod, "/status/podIP")],
        "conditions": {"ready": true},
        "nodeName": "node-1",
        "zone": "eu-1a",
        "targetRef": {
            "kind": "Pod",
            "name": cluster::text(pod, "/metadata/name"),
            "namespace": cluster::text(pod, "/metadata/namespace"),
        },
    })
}

fn port(port: &Value) -> Value {
    let target = port.get("targetPort").filter(|target| target.is_u64()).or_else(|| port.get("port"));
    let mut slice = json!({"name": port.get("name"), "port": target, "protocol": "TCP"});
    if let (Some(protocol), Some(slice)) = (port.get("appProtocol"), slice.as_object_mut()) {
        slice.insert("appProtocol".to_owned(), protocol.clone());
    }
    slice
}
