//! etcd, the API server, Istio's objects, istiod.
//!
//! In: built programs.
//! Out: a control plane at the address of its [`Site`].
//! Invariant: each part is ready before its dependants start.
//!
//! There is no scheduler, no controller-manager and no kubelet: [`super::pods`] does the part of
//! their work that a mesh needs.

use super::site::Site;
use super::{cluster, programs, run};
use crate::process;
use crate::progress::step;
use crate::workspace;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The address of the control plane in namespaces, and of the bridge that connects all pods.
pub(super) const ADDRESS: &str = "10.244.0.1";

/// Kinds of `istioctl manifest generate` that need absent components: controllers, and a webhook
/// reached by a Service.
const LEFT_OUT: [&str; 4] =
    ["Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ValidatingWebhookConfiguration"];

/// Starts the control plane.
pub(super) fn start() -> anyhow::Result<()> {
    if Site::here() == Site::Namespaces {
        step("network", network)?;
    }
    step("etcd and the API server", || {
        etcd()?;
        api_server()
    })?;
    step("Istio's kinds and objects", istio_objects)?;
    step("istiod", istiod)
}

fn network() -> anyhow::Result<()> {
    let ip = |arguments: &str| process::quietly(Command::new("ip").args(arguments.split(' '))).map(drop);
    ip("link add br0 type bridge")?;
    ip(&format!("addr add {ADDRESS}/16 dev br0"))?;
    ip("link set br0 up")?;
    hosts(&[])?;
    process::quietly(Command::new("mount").args(["--bind"]).arg(hosts_file()).arg("/etc/hosts")).map(drop)
}

/// Writes the host names of the machine; there is no DNS.
pub(super) fn hosts(services: &[(String, String)]) -> anyhow::Result<()> {
    let mut text = format!("127.0.0.1 localhost\n{ADDRESS} istiod.istio-system.svc registry.example.com\n");
    for (address, names) in services {
        text.push_str(&format!("{address} {names}\n"));
    }
    // Written in place: the file is mounted.
    Ok(std::fs::write(hosts_file(), text)?)
}

/// The file behind every `/etc/hosts` of the machine.
pub(super) fn hosts_file() -> PathBuf {
    run::folder().join("hosts")
}

fn etcd() -> anyhow::Result<()> {
    let mut etcd = Command::new(programs::path("etcd"));
    etcd.arg("--data-dir").arg(run::folder().join("etcd"));
    // The data need not survive the machine.
    etcd.args(["--unsafe-no-fsync", "--log-level", "warn"]);
    let (clients, peers) = (store(), format!("http://{}:2380", Site::here().operator()));
    etcd.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    etcd.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    etcd.args(["--initial-cluster", &format!("default={peers}")]);
    run::start("etcd", &mut etcd).map(drop)
}

/// The client URL of etcd.
fn store() -> String {
    format!("http://{}:2379", Site::here().operator())
}

fn api_server() -> anyhow::Result<()> {
    let folder = run::folder().join("api-server");
    std::fs::create_dir_all(&folder)?;
    let mut certify = Command::new(workspace::binary("hopscope-mesh"));
    certify.args(["pod", "certify", "--name", "accounts", "--for", "accounts.example", "--folder"]);
    process::quietly(certify.arg(&folder))?;
    std::fs::write(folder.join("tokens.csv"), "hopscope,admin,admin,system:masters\n")?;
    std::fs::write(cluster::kubeconfig(), kubeconfig())?;
    let file = |name: &str| folder.join(name).display().to_string();
    let mut server = Command::new(programs::path("kube-apiserver"));
    server.args([
        &format!("--etcd-servers={}", store()),
        &format!("--bind-address={}", Site::here().operator()),
        "--secure-port=6443",
        // The server refuses a loopback address here; no client uses this one.
        &format!("--advertise-address={ADDRESS}"),
        "--authorization-mode=AlwaysAllow",
        "--endpoint-reconciler-type=none",
        // The admission plugin waits for a controller that creates accounts and tokens.
        "--disable-admission-plugins=ServiceAccount",
        // The second audience is that of the agents' tokens.
        "--api-audiences=https://kubernetes.default.svc,istio-ca",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--external-hostname=localhost",
    ]);
    server.arg(format!("--token-auth-file={}", file("tokens.csv")));
    server.arg(format!("--cert-dir={}", file("certificates")));
    server.arg(format!("--service-account-key-file={}", file("accounts-cert.pem")));
    server.arg(format!("--service-account-signing-key-file={}", file("accounts-key.pem")));
    run::start("kube-apiserver", &mut server)?;
    run::wait_for("a ready API server", Duration::from_secs(90), || {
        Ok(process::quietly(&mut cluster::kubectl(["get", "--raw", "/readyz"])).ok())
    })
    .map_err(|error| error.context(run::last_log_lines("kube-apiserver")))
    .map(drop)
}

fn kubeconfig() -> String {
    let server = format!("https://{}:6443", Site::here().operator());
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: mesh, cluster: {{server: \"{server}\", insecure-skip-tls-verify: true}}}}]
users: [{{name: admin, user: {{token: hopscope}}}}]
contexts: [{{name: mesh, context: {{cluster: mesh, user: admin}}}}]
current-context: mesh
"
    )
}

fn istio_objects() -> anyhow::Result<()> {
    cluster::apply(&std::fs::read_to_string(programs::path("crd-all.gen.yaml"))?)?;
    let mut wait = cluster::kubectl(["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
    process::quietly(&mut wait)?;
    cluster::apply(&mesh_file("namespaces.yaml")?)?;
    let operator = workspace::root().join("xtask/istio/mesh/istio-operator.yaml");
    let mut generate = Command::new(programs::path("istioctl"));
    let manifests = process::quietly(generate.args(["manifest", "generate", "-f"]).arg(&operator))?;
    cluster::apply(&without(&manifests, &LEFT_OUT)).map(drop)
}

/// Returns the documents of a YAML stream without those of these kinds.
fn without(manifests: &str, kinds: &[&str]) -> String {
    let kept = manifests.split("\n---").filter(|document| {
        !document
            .lines()
            .filter_map(|line| line.strip_prefix("kind: "))
            .any(|kind| kinds.contains(&kind.trim()))
    });
    kept.collect::<Vec<_>>().join("\n---")
}

/// Reads a file of the mesh that `up` starts.
pub(super) fn mesh_file(name: &str) -> anyhow::Result<String> {
    let path = workspace::root().join("xtask/istio/mesh").join(name);
    std::fs::read_to_string(&path)
        .map_err(|error| anyhow::anyhow!("failed to read {}: {error}", path.display()))
}

fn istiod() -> anyhow::Result<()> {
    let mut istiod = Command::new(programs::path("pilot-discovery"));
    istiod.args([
        "discovery",
        "--registries=Kubernetes",
        "--clusterID",
        "Kubernetes",
        "--domain",
        "cluster.local",
    ]);
    istiod.arg("--kubeconfig").arg(cluster::kubeconfig());
    let site = Site::here();
    let address = |port: u16| format!("{}:{port}", site.bind());
    istiod.args(["--grpcAddr", "", "--ctrlz_port", "0"]);
    istiod.args(["--secureGRPCAddr", &address(15012), "--httpsAddr", &address(15017)]);
    istiod.args(["--httpAddr", &address(8080), "--monitoringAddr", &address(15014)]);
    istiod.current_dir(run::folder()).env_clear();
    let settings = [
        ("POD_NAME", "istiod-0"),
        ("POD_NAMESPACE", "istio-system"),
        ("CLUSTER_ID", "Kubernetes"),
        ("PILOT_CERT_PROVIDER", "istiod"),
        ("REVISION", "default"),
        ("KUBERNETES_SERVICE_HOST", site.control_plane()),
        ("PILOT_ENABLE_GATEWAY_API", "false"),
        // Filters that only Istio's own build of Envoy has: upstream Envoy rejects the whole
        // listener.
        ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
        ("PILOT_ENABLE_ALPN_FILTER", "false"),
    ];
    istiod.envs(settings);
    run::start("istiod", &mut istiod)?;
    run::wait_for("a ready istiod", Duration::from_secs(60), || {
        Ok(super::http::get(site.control_plane(), 8080, "/ready").ok().filter(|answer| answer.status == 200))
    })
    .map_err(|error| error.context(run::last_log_lines("istiod")))?;
    injection()
}

/// Waits until the API server calls istiod for new pods: istiod writes its certificate authority
/// into the webhook itself.
fn injection() -> anyhow::Result<()> {
    run::wait_for("the webhook with istiod's authority", Duration::from_secs(30), || {
        let hooks = cluster::list("mutatingwebhookconfigurations")?;
        let ready =
            hooks.iter().any(|hook| !cluster::text(hook, "/webhooks/0/clientConfig/caBundle").is_empty());
        Ok(ready.then_some(()))
    })
}
