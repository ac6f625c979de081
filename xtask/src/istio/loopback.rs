//! The variant without root: agents and Envoys on loopback addresses, driven by the same istiod.
//!
//! In: `xtask/istio/mesh/loopback.yaml`.
//! Out: workloads that Istio knows as `WorkloadEntry`s, each with a `Sidecar` that binds its
//! addresses, and an agent beside its application.
//! Invariant: no part needs root, and no traffic is captured. Each proxy has its own values for
//! ports that agents bind on all addresses. The module comes from a file, since an agent stores
//! fetched modules below `/var/lib`.

mod agent;
mod objects;

pub(super) use objects::outward;

use super::workload::{self, Workload};
use super::{cluster, control_plane, mesh, pods, run};
use crate::progress::step;
use crate::workspace;
use anyhow::Context;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Starts the mesh on loopback.
pub(super) fn inside(envoy: &Path) -> anyhow::Result<()> {
    run::save_envoy(envoy)?;
    control_plane::start()?;
    let workloads = workload::read(&control_plane::mesh_file("loopback.yaml")?)?;
    step("services, routes, workloads, Istio's own metrics off", || {
        for manifest in ["collector-service.yaml", "destination-rule.yaml", "telemetry-istio-off.yaml"] {
            // The collector has no certificate from an Istio agent.
            cluster::apply(&mesh::user_file(manifest)?.replace("ISTIO_MUTUAL", "DISABLE"))?;
        }
        cluster::apply(&objects::bound(&control_plane::mesh_file("mesh.yaml")?))?;
        cluster::apply(&objects::of(&workloads).to_string())
    })?;
    let running = step("applications, agents, Envoys", || {
        let agents = (0_u16..).zip(&workloads);
        agents.map(|(index, workload)| begin(workload, index, envoy)).collect::<anyhow::Result<Vec<_>>>()
    })?;
    mesh::save_pods(&running)?;
    step("proxies and applications", || {
        for (pod, workload) in running.iter().zip(&workloads) {
            pods::wait_proxy(pod)?;
            wait_application(workload)?;
        }
        Ok(())
    })?;
    step("the filter in every proxy of shop and ingress", mesh::refresh)
}

/// Starts a workload's application and its agent.
fn begin(workload: &Workload, index: u16, envoy: &Path) -> anyhow::Result<pods::Pod> {
    if let Some((program, arguments)) = workload.runs.split_first() {
        let mut application = Command::new(workspace::binary(program));
        run::start(&format!("{}.application", workload.name), application.args(arguments))?;
    }
    agent::start(workload, index, envoy)
}

fn wait_application(workload: &Workload) -> anyhow::Result<()> {
    let Some(port) = workload.port() else { return Ok(()) };
    // An application behind a proxy listens on 127.0.0.1, one without on its public address.
    let hosts = ["127.0.0.1", workload.address.as_str()];
    run::wait_for(&format!("the application of {}", workload.name), Duration::from_secs(20), || {
        Ok(hosts.iter().find_map(|host| TcpStream::connect((*host, port)).ok()))
    })
    .with_context(|| run::last_log_lines(&format!("{}.application", workload.name)))
    .map(drop)
}

/// Returns a `WasmPlugin` as users apply it, with the module as a file. The file is named by its
/// content: Envoy sees no change when a file changes under the same name.
pub(super) fn plugin(manifest: &str, digest: &str) -> anyhow::Result<String> {
    let copy = copy(digest)?;
    let lines = manifest.lines().filter(|line| !line.trim_start().starts_with("sha256:"));
    let text = lines.map(|line| format!("{line}\n")).collect::<String>();
    Ok(text
        .replace("oci://registry.example.com/hopscope/filter:0.1.0", &format!("file://{}", copy.display())))
}

fn copy(digest: &str) -> anyhow::Result<PathBuf> {
    let copy = run::folder().join(format!("filter-{}.wasm", digest.get(..16).unwrap_or(digest)));
    if !copy.exists() {
        std::fs::copy(workspace::target().join("hopscope_filter.wasm"), &copy)
            .context("failed to copy the module")?;
    }
    Ok(copy)
}
