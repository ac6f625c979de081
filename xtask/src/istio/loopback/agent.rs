//! The Istio agent and the Envoy of a workload, configured as by Istio's injector, without traffic
//! capture.
//!
//! In: a workload.
//! Out: `pilot-agent proxy …` in a folder with the files that a pod would mount.
//! Invariant: each proxy has its own values for the agent's fixed ports.

use crate::istio::pods::Pod;
use crate::istio::site::Site;
use crate::istio::workload::Workload;
use crate::istio::{cluster, pods, programs, run};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The suffix that a `ReplicaSet` adds to the Deployment's name for its pod.
const POD: &str = "7d9c5b8f6-00001";

/// The first port of all proxies.
const PORTS_FROM: u16 = 21_000;

/// The number of ports of each proxy.
const PORTS_EACH: u16 = 10;

/// Ports that an agent or its Envoy binds for itself.
struct Ports {
    admin: u16,
    status: u16,
    ready: u16,
    prometheus: u16,
}

impl Ports {
    fn of(index: u16) -> Self {
        let from = PORTS_FROM + index * PORTS_EACH;
        Self { admin: from, status: from + 1, ready: from + 2, prometheus: from + 3 }
    }
}

/// Starts the agent, where the workload has one.
pub(super) fn start(workload: &Workload, index: u16, envoy: &Path) -> anyhow::Result<Pod> {
    let ports = Ports::of(index);
    let proxy = workload.gateway || workload.has_sidecar();
    let pod = Pod {
        workload: workload.name.clone(),
        name: format!("{}-{POD}", workload.name),
        namespace: workload.namespace.clone().unwrap_or_default(),
        address: workload.address.clone(),
        sandbox: 0,
        proxy,
        ready_port: ports.ready,
    };
    if proxy {
        let folder = folder(workload, &pod)?;
        let mut agent = Command::new(programs::path("pilot-agent"));
        let role = if workload.gateway { "router" } else { "sidecar" };
        let domain = format!("{}.svc.cluster.local", pod.namespace);
        agent.current_dir(folder).args(["proxy", role, "--domain", &domain]);
        agent.args(["--proxyLogLevel=warning", "--proxyComponentLogLevel=misc:error"]);
        agent.arg("--log_output_level=default:info");
        agent.arg("--templateFile").arg(programs::path("envoy_bootstrap.json"));
        environment(&mut agent, workload, &pod, &ports, envoy);
        run::start(&format!("{}.proxy", workload.name), &mut agent)?;
    }
    Ok(pod)
}

/// Creates a folder with the files that a kubelet would mount.
fn folder(workload: &Workload, pod: &Pod) -> anyhow::Result<PathBuf> {
    let folder = run::folder().join("pods").join(&workload.name);
    let labels: String =
        workload.labels_of_pod().iter().map(|(key, value)| format!("{key}=\"{value}\"\n")).collect();
    let files = [
        ("etc/istio/pod/labels", labels),
        ("etc/istio/pod/annotations", String::new()),
        (
            "var/run/secrets/tokens/istio-token",
            cluster::token(&pod.namespace, workload.account(), "istio-ca")?,
        ),
        ("var/run/secrets/istio/root-cert.pem", pods::root_certificate(&pod.namespace)?),
    ];
    std::fs::create_dir_all(folder.join("etc/istio/proxy"))?;
    for (name, text) in files {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)?;
    }
    Ok(folder)
}

fn environment(agent: &mut Command, workload: &Workload, pod: &Pod, ports: &Ports, envoy: &Path) {
    let istiod = format!("{}:15012", Site::Loopback.control_plane());
    let config = json!({
        "discoveryAddress": istiod,
        "binaryPath": envoy.join("envoy"),
        "proxyAdminPort": ports.admin,
        "statusPort": ports.status,
        "concurrency": 1,
        "proxyMetadata": {"METRICS_LOCALHOST_ACCESS_ONLY": "true"},
    });
    let owner =
        format!("kubernetes://apis/apps/v1/namespaces/{}/deployments/{}", pod.namespace, workload.name);
    let listens: Vec<_> = workload.port().into_iter().map(|port| json!({"containerPort": port})).collect();
    agent.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default()).env("HOME", run::folder());
    agent.envs([
        ("POD_NAME", pod.name.as_str()),
        ("POD_NAMESPACE", pod.namespace.as_str()),
        ("INSTANCE_IP", pod.address.as_str()),
        ("HOST_IP", Site::Loopback.control_plane()),
        ("SERVICE_ACCOUNT", workload.account()),
        ("TRUST_DOMAIN", "cluster.local"),
        ("PILOT_CERT_PROVIDER", "istiod"),
        // The certificate names the host, and there is no DNS to resolve it. With CA_ADDR set, this
        // name would not be used for the CA.
        ("ISTIOD_SAN", "istiod.istio-system.svc"),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        ("ISTIO_META_MESH_ID", "cluster.local"),
        ("ISTIO_META_INTERCEPTION_MODE", "NONE"),
        ("ISTIO_META_NODE_NAME", "node-1"),
        ("ISTIO_META_APP_CONTAINERS", workload.account()),
        ("ISTIO_META_WORKLOAD_NAME", workload.name.as_str()),
        ("ISTIO_META_OWNER", owner.as_str()),
    ]);
    agent.env("ISTIO_META_POD_PORTS", json!(listens).to_string()).env("PROXY_CONFIG", config.to_string());
    agent.env("ENVOY_STATUS_PORT", ports.ready.to_string());
    agent.env("ENVOY_PROMETHEUS_PORT", ports.prometheus.to_string());
}
