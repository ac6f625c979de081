//! The start of the mesh.
//!
//! In: a network, the first time.
//! Out: programs and images in the target folder; inside the machine, a running mesh.
//! Invariant: each part starts after the parts that it needs.

use super::site::Site;
use super::{
    cluster, control_plane, iptables, loopback, mesh, pods, programs, registry, run, scenario, workload,
};
use crate::progress::step;
use crate::tools::envoy;
use crate::{package, process, workspace};
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Builds and installs all programs, and returns the folder of Envoy.
pub(super) fn build(site: Site) -> anyhow::Result<PathBuf> {
    programs::build()?;
    if site == Site::Namespaces {
        iptables::install()?;
    }
    let envoy = envoy::program(envoy::NEWEST)?;
    package::build()?;
    step("building the collector and the pods' programs", || {
        let packages = ["build", "--quiet", "--package", "hopscope", "--package", "hopscope-mesh"];
        process::run(&mut workspace::cargo(packages))
    })?;
    Ok(envoy.parent().context("failed to find Envoy's folder")?.to_owned())
}

/// Starts the mesh inside the machine.
pub(super) fn inside(envoy: &Path) -> anyhow::Result<()> {
    match Site::here() {
        Site::Namespaces => in_namespaces(envoy)?,
        Site::Loopback => loopback::inside(envoy)?,
    }
    step("edges, reported by both sides with versions", scenario::first_edges)
}

fn in_namespaces(envoy: &Path) -> anyhow::Result<()> {
    run::save_envoy(envoy)?;
    control_plane::start()?;
    step("the registry", registry::start)?;
    step("services, routes, Istio's own metrics off", || {
        for manifest in ["collector-service.yaml", "destination-rule.yaml", "telemetry-istio-off.yaml"] {
            cluster::apply(&mesh::user_file(manifest)?)?;
        }
        cluster::apply(&control_plane::mesh_file("mesh.yaml")?)
    })?;
    let workloads = workload::all()?;
    let running = step("pods, injected by istiod", || {
        workloads.iter().map(|workload| pods::start(workload, envoy)).collect::<anyhow::Result<Vec<_>>>()
    })?;
    mesh::save_pods(&running)?;
    step("proxies and applications", || {
        pods::sync_endpoints()?;
        for pod in &running {
            pods::wait_proxy(pod)?;
        }
        for (pod, workload) in running.iter().zip(&workloads) {
            pods::start_application(pod, workload)?;
        }
        Ok(())
    })?;
    step("the filter in every proxy of shop and ingress", mesh::refresh)
}
