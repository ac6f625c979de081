//! The containers of an injected pod.
//!
//! In: the pod as the API server has it.
//! Out: its files; its init container run; its proxy and application started.
//! Invariant: arguments and environment are the pod's, resolved as by the kubelet.

use super::sandbox::{BIN, ENVOY, File, Sandbox};
use crate::istio::workload::Workload;
use crate::istio::{cluster, iptables, programs, run};
use crate::process;
use crate::workspace;
use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;

const PROXY: &str = "istio-proxy";

/// Returns the files that a kubelet would mount for the volumes of the pod.
pub(super) fn files(pod: &Value, account: &str) -> anyhow::Result<Vec<File>> {
    let Some(proxy) = proxy(pod) else { return Ok(Vec::new()) };
    let namespace = cluster::text(pod, "/metadata/namespace");
    let mounts = proxy.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    let mut files: Vec<File> = mounts
        .map(|mount| File { path: cluster::text(mount, "/mountPath").to_owned(), text: None })
        .collect();
    let mut file = |path: &str, text: String| files.push(File { path: path.to_owned(), text: Some(text) });
    file("/var/run/secrets/tokens/istio-token", cluster::token(namespace, account, "istio-ca")?);
    file("/var/run/secrets/istio/root-cert.pem", root_certificate(namespace)?);
    file("/etc/istio/pod/labels", lines(pod, "/metadata/labels"));
    file("/etc/istio/pod/annotations", lines(pod, "/metadata/annotations"));
    let template = std::fs::read_to_string(programs::path("envoy_bootstrap.json"))?;
    file("/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", template);
    Ok(files)
}

/// Returns the certificate authority that istiod publishes in every namespace.
pub(in crate::istio) fn root_certificate(namespace: &str) -> anyhow::Result<String> {
    run::wait_for("istiod's authority in the namespace", std::time::Duration::from_secs(20), || {
        let get = ["get", "configmap", "istio-ca-root-cert", "-n", namespace, "-o", "json"];
        let answer = process::quietly(&mut cluster::kubectl(get))?;
        let map: Value = serde_json::from_str(&answer)?;
        Ok(Some(cluster::text(&map, "/data/root-cert.pem").to_owned()))
    })
}

/// Formats `key="value"` lines, as the Downward API writes them.
fn lines(pod: &Value, place: &str) -> String {
    let values = pod.pointer(place).and_then(Value::as_object).into_iter().flatten();
    values.map(|(key, value)| format!("{key}={value}\n")).collect()
}

/// Runs the init container, which captures the pod's traffic from then on.
pub(super) fn initialise(pod: &Value, sandbox: &Sandbox) -> anyhow::Result<()> {
    let init = pod.pointer("/spec/initContainers").and_then(Value::as_array).into_iter().flatten();
    for container in init.filter(|container| cluster::text(container, "/name") == "istio-init") {
        let mut command = sandbox.command(format!("{BIN}/pilot-agent"));
        command.args(arguments(container, &BTreeMap::new())).current_dir("/");
        iptables::add_to_path(&mut command);
        process::quietly(&mut command).context("failed to capture the pod's traffic")?;
    }
    Ok(())
}

/// Starts the proxy, where the pod has one.
pub(super) fn start_proxy(pod: &Value, sandbox: &Sandbox, name: &str) -> anyhow::Result<bool> {
    let Some(container) = proxy(pod) else { return Ok(false) };
    let environment = environment(pod, container);
    let mut command = sandbox.proxy_command(&format!("{BIN}/pilot-agent"));
    command.args(arguments(container, &environment)).current_dir("/");
    command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default()).env("HOME", "/tmp");
    command.envs(&environment);
    run::start(&format!("{name}.proxy"), &mut command)?;
    Ok(true)
}

/// Starts the application as root, whose traffic is captured.
pub(super) fn start_application(workload: &Workload, sandbox: &Sandbox) -> anyhow::Result<()> {
    let (program, arguments) = workload.runs.split_first().context("no program to run")?;
    let mut command = sandbox.command(workspace::binary(program));
    command.args(arguments).current_dir("/");
    run::start(&format!("{}.application", workload.name), &mut command).map(drop)
}

fn proxy(pod: &Value) -> Option<&Value> {
    // A native sidecar is an init container that does not end.
    let containers = ["/spec/containers", "/spec/initContainers"].map(|place| pod.pointer(place));
    let mut all = containers.into_iter().flatten().filter_map(Value::as_array).flatten();
    all.find(|container| cluster::text(container, "/name") == PROXY)
}

fn arguments(container: &Value, environment: &BTreeMap<String, String>) -> Vec<String> {
    let arguments = container.get("args").and_then(Value::as_array).into_iter().flatten();
    arguments.filter_map(Value::as_str).map(|argument| expanded(argument, environment)).collect()
}

/// Replaces `$(NAME)` by the variable.
fn expanded(text: &str, environment: &BTreeMap<String, String>) -> String {
    environment.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}

fn environment(pod: &Value, container: &Value) -> BTreeMap<String, String> {
    let variables = container.get("env").and_then(Value::as_array).into_iter().flatten();
    let mut environment = BTreeMap::new();
    for variable in variables {
        let value = match variable.get("value").and_then(Value::as_str) {
            Some(value) => expanded(value, &environment),
            None => downward(pod, variable),
        };
        environment.insert(cluster::text(variable, "/name").to_owned(), value);
    }
    if let Some(config) = environment.get_mut("PROXY_CONFIG") {
        *config = config.replace("/usr/local/bin/envoy", &format!("{ENVOY}/envoy"));
    }
    environment
}

/// Returns the value of a variable from the Downward API.
fn downward(pod: &Value, variable: &Value) -> String {
    let field = cluster::text(variable, "/valueFrom/fieldRef/fieldPath");
    if !field.is_empty() {
        return cluster::text(pod, &format!("/{}", field.replace('.', "/"))).to_owned();
    }
    match cluster::text(variable, "/valueFrom/resourceFieldRef/resource") {
        "limits.cpu" => "2".to_owned(),
        "limits.memory" => (1_u64 << 30).to_string(),
        _ => String::new(),
    }
}
