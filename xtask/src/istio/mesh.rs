//! The running mesh: its pods, the manifests that users apply, and queries to the collector.
//!
//! Invariant: manifests are the files that users get, with registry, digest and namespace filled in
//! and nothing else changed.

use super::pods::{Pod, Sandbox};
use super::site::Site;
use super::{cluster, http, loopback, registry, run};
use crate::progress::answer;
use crate::workspace;
use anyhow::Context;
use serde_json::Value;
use std::process::Command;

/// Namespaces with the filter, one `WasmPlugin` each.
pub(super) const FILTERED: [&str; 2] = ["shop", "ingress"];

/// The collector's HTTP port: `/metrics` and the JSON API.
pub(super) const HTTP_PORT: u16 = 9464;

/// Reads a file of `envoy-config/istio`.
pub(super) fn user_file(name: &str) -> anyhow::Result<String> {
    let path = workspace::root().join("envoy-config/istio").join(name);
    std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
}

/// Returns a `WasmPlugin` as users apply it, for a namespace, with the image of this build.
pub(super) fn plugin(name: &str, namespace: &str) -> anyhow::Result<String> {
    let image = registry::image()?;
    match Site::here() {
        Site::Namespaces => plugin_of(name, namespace, &image),
        Site::Loopback => loopback::plugin(&of_namespace(name, namespace)?, &image.digest),
    }
}

/// Returns a `WasmPlugin` as users apply it, for a namespace, with another image.
pub(super) fn plugin_of(name: &str, namespace: &str, image: &registry::Image) -> anyhow::Result<String> {
    Ok(of_namespace(name, namespace)?
        .replace("registry.example.com/hopscope/filter:0.1.0", &image.name)
        .replace(&"0".repeat(64), &image.digest))
}

fn of_namespace(name: &str, namespace: &str) -> anyhow::Result<String> {
    Ok(user_file(name)?.replace("namespace: shop", &format!("namespace: {namespace}")))
}

/// Applies this build's filter to all its namespaces.
pub(super) fn refresh() -> anyhow::Result<()> {
    if Site::here() == Site::Namespaces {
        registry::push()?;
    }
    for namespace in FILTERED {
        cluster::apply(&plugin("wasmplugin-http.yaml", namespace)?)?;
    }
    Ok(())
}

/// Stores the running pods for the commands that follow.
pub(super) fn save_pods(pods: &[Pod]) -> anyhow::Result<()> {
    Ok(std::fs::write(run::folder().join("pods.json"), serde_json::to_string_pretty(pods)?)?)
}

/// Adds a started pod to the stored ones.
pub(super) fn add_pod(pod: &Pod) -> anyhow::Result<()> {
    let mut all = pods()?;
    all.push(pod.clone());
    save_pods(&all)
}

/// Removes an ended pod from the stored ones.
pub(super) fn remove_pod(pod: &Pod) -> anyhow::Result<()> {
    let mut all = pods()?;
    all.retain(|known| known.workload != pod.workload);
    save_pods(&all)
}

/// Reads the running pods.
pub(super) fn pods() -> anyhow::Result<Vec<Pod>> {
    let text = std::fs::read_to_string(run::folder().join("pods.json")).context("no mesh is running")?;
    Ok(serde_json::from_str(&text)?)
}

/// Reads the pod of a workload.
pub(super) fn pod(workload: &str) -> anyhow::Result<Pod> {
    let mut pods = pods()?.into_iter();
    pods.find(|pod| pod.workload == workload).with_context(|| format!("no pod of {workload} is running"))
}

/// Returns a command of `hopscope-mesh` that runs in a workload's pod, as its application would.
pub(super) fn in_pod(workload: &str, arguments: &[String]) -> anyhow::Result<Command> {
    let mut command = Sandbox::of(pod(workload)?.sandbox).command(workspace::binary("hopscope-mesh"));
    command.arg("pod").args(arguments);
    Ok(command)
}

/// Queries Envoy's admin interface in a workload's pod.
pub(super) fn admin(workload: &str, path: &str) -> anyhow::Result<String> {
    let mut command = Sandbox::of(pod(workload)?.sandbox).command("/run/bin/pilot-agent");
    command.args(["request", "GET", path]);
    crate::process::quietly(&mut command)
}

/// Queries the collector.
pub(super) fn collector(path: &str) -> anyhow::Result<Value> {
    http::json(Site::here().collector(), HTTP_PORT, path)
}

/// Queries istiod's debug interface, which answers local clients only.
pub(super) fn istiod(path: &str) -> anyhow::Result<String> {
    Ok(http::get(Site::here().operator(), 8080, path)?.body)
}

/// Prints the running pods and the Istio objects.
pub(super) fn show() -> anyhow::Result<()> {
    for pod in pods()? {
        let ready = http::get(&pod.address, pod.ready_port, "/healthz/ready")
            .is_ok_and(|answer| answer.status == 200);
        let proxy = match (pod.proxy, ready) {
            (false, _) => "no proxy",
            (true, true) => "proxy ready",
            (true, false) => "PROXY NOT READY",
        };
        answer(&format!("{:<22} {:<14} {:<14} {proxy}", pod.workload, pod.namespace, pod.address));
    }
    for kind in ["wasmplugins", "envoyfilters", "telemetries"] {
        for object in cluster::list(kind)? {
            let name = cluster::text(&object, "/metadata/name");
            answer(&format!("{kind:<22} {:<14} {name}", cluster::text(&object, "/metadata/namespace")));
        }
    }
    Ok(())
}
