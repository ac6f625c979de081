//! Manifests of users, validated by the API server's schema, by `istioctl analyze` and by every
//! Envoy; and the image in both forms.

use super::traffic::send_to_gateway;
use super::{Outcome, Series, wait_until_pushed};
use crate::istio::site::Site;
use crate::istio::{cluster, mesh, programs, registry, run};
use crate::{process, workspace};
use std::path::Path;
use std::process::Command;

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    let folder = workspace::root().join("envoy-config/istio");
    let mut files: Vec<_> = std::fs::read_dir(&folder)?.filter_map(|file| Some(file.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "yaml"));
    files.sort();
    let validators = if Site::here() == Site::Loopback { "schema" } else { "schema and istioctl analyze" };
    for file in &files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // Users choose the pods by this label; the mesh has other labels.
        let manifest =
            std::fs::read_to_string(file)?.replace("hopscope.dev/telemetry: access-log", "app: frontend");
        let file = run::folder().join(&name);
        std::fs::write(&file, &manifest)?;
        let schema = cluster::dry_run(&manifest);
        let analysis = analysis(&file);
        let seen = match (&schema, &analysis) {
            (Ok(_), Ok(output)) => {
                // IST0102 reports namespaces without injection, which are intended.
                let findings: Vec<&str> = output.lines().filter(|line| !line.contains("IST0102")).collect();
                if findings.is_empty() { "accepted, no findings".to_owned() } else { findings.join(" ") }
            }
            (Err(error), _) | (_, Err(error)) => format!("{error:#}"),
        };
        outcome.check(format!("{name}: {validators}"), schema.is_ok() && analysis.is_ok(), seen);
    }
    outcome.check("there are manifests", files.len() >= 10, files.len().to_string());
    if Site::here() == Site::Namespaces {
        artifact(outcome)?;
    }
    rejected(outcome)
}

/// Returns the findings of `istioctl analyze` with this file applied. Left out on loopback, where
/// the missing pods are findings.
fn analysis(file: &Path) -> anyhow::Result<String> {
    if Site::here() == Site::Loopback {
        return Ok(String::new());
    }
    let mut analyze = Command::new(programs::path("istioctl"));
    analyze.args(["analyze", "--all-namespaces", "--kubeconfig"]).arg(cluster::kubeconfig()).arg(file);
    process::quietly(analyze.env("HOME", "/tmp"))
}

/// Checks that the gateway pulls and runs the two-layer form.
fn artifact(outcome: &mut Outcome) -> anyhow::Result<()> {
    let image = registry::artifact()?;
    cluster::apply(&mesh::plugin_of("wasmplugin-http.yaml", "ingress", &image)?)?;
    wait_until_pushed()?;
    // The change takes less than a second; requests in between are reported all the same.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let before = Series::when_quiet()?;
    send_to_gateway("/", 20, 20)?;
    let seen = Series::when_quiet()?.since(&before);
    outcome.equal(
        "requests reported by the artifact of two layers, pulled by the gateway's agent",
        20,
        seen.sum("reporter=source source_workload=ingressgateway"),
    );
    cluster::apply(&mesh::plugin("wasmplugin-http.yaml", "ingress")?).map(drop)
}

/// Checks that no Envoy has rejected an update since the mesh started.
fn rejected(outcome: &mut Outcome) -> anyhow::Result<()> {
    let log = std::fs::read_to_string(run::log("istiod"))?;
    let rejections: Vec<&str> = log.lines().filter(|line| line.contains("ACK ERROR")).collect();
    outcome.check(
        "no Envoy has rejected an update since the mesh is up",
        rejections.is_empty(),
        format!("{} rejections {}", rejections.len(), rejections.first().unwrap_or(&"")),
    );
    Ok(())
}
