//! The collector's own traffic, which its sidecar does not report; and a collector outside of the
//! mesh with TLS of its own.

use super::traffic::send_to_gateway;
use super::{Applied, Outcome, Series, scenario_file, wait_until_pushed};
use crate::istio::pods::Sandbox;
use crate::istio::{cluster, http, mesh, run};
use crate::{process, workspace};
use anyhow::Context;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The machine outside of the cluster, and the HTTP port of its collector.
const OUTSIDE: (&str, u16) = ("10.244.0.16", 9465);

const HOST: &str = "hopscope-outside.observability.svc.cluster.local";

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    inside(outcome)?;
    outside(outcome)
}

/// Applies the filter to the collector's sidecar as well, as a mesh-wide `WasmPlugin` does.
fn inside(outcome: &mut Outcome) -> anyhow::Result<()> {
    let plugin = Applied::new(&mesh::plugin("wasmplugin-http.yaml", "observability")?)?;
    let before = Series::when_quiet()?;
    send_to_gateway("/call/backend.shop:8080/", 100, 50)?;
    let seen = Series::when_quiet()?.since(&before);
    let of_reports = seen.sum("destination_service_name=hopscope-collector")
        + seen.sum("destination_workload=hopscope-collector")
        + seen.sum("source_workload=hopscope-collector");
    outcome.equal("requests reported by the collector's own sidecar", 0, of_reports);
    outcome.equal("requests reported by other proxies meanwhile", 400, seen.sum(""));
    let refused = Series::of("hopscope_grpc_reports_rejected_total")?;
    outcome.equal(
        "reports refused over mTLS because a certificate is not that of the proxy",
        0,
        refused.sum("reason=identity_mismatch"),
    );
    for reason in ["aborted", "invalid", "busy", "rate", "slow"] {
        outcome.figure(&format!("reports refused: {reason}"), refused.sum(&format!("reason={reason}")));
    }
    drop(plugin);
    Ok(())
}

fn outside(outcome: &mut Outcome) -> anyhow::Result<()> {
    let folder = run::folder().join("outside");
    std::fs::create_dir_all(&folder)?;
    let mut certify = std::process::Command::new(workspace::binary("hopscope-mesh"));
    certify.args(["pod", "certify", "--name", "collector", "--for", HOST, "--folder"]).arg(&folder);
    process::quietly(&mut certify)?;
    serve(&folder)?;
    let authority = std::fs::read_to_string(folder.join("root-cert.pem"))?;
    for workload in ["ingressgateway", "frontend-v1", "backend-v1", "backend-v2"] {
        let sandbox = Sandbox::of(mesh::pod(workload)?.sandbox);
        process::quietly(sandbox.command("mkdir").args(["-p", "/etc/hopscope"]))?;
        cluster::run_with_input(sandbox.command("tee").arg("/etc/hopscope/root-cert.pem"), &authority)?;
    }
    let rule = mesh::user_file("collector-outside.yaml")?.replace("hopscope-collector", "hopscope-outside");
    let _service = Applied::new(&scenario_file("collector-outside.yaml")?)?;
    let _rule = Applied::new(&rule)?;
    redirect(HOST)?;
    let result = reported(outcome);
    redirect("hopscope-collector.observability.svc.cluster.local")?;
    result
}

fn serve(folder: &Path) -> anyhow::Result<()> {
    let sandbox = Sandbox::of(mesh::pod("outside")?.sandbox);
    let mut collector = sandbox.command(workspace::binary("hopscope"));
    collector.args(["serve", "--grpc-address=0.0.0.0:50051", "--http-address=0.0.0.0:9465", "--tls-cert"]);
    collector.arg(folder.join("collector-cert.pem")).arg("--tls-key").arg(folder.join("collector-key.pem"));
    run::start("outside.collector", &mut collector)?;
    run::wait_for("the collector outside", Duration::from_secs(20), || {
        Ok(http::get(OUTSIDE.0, OUTSIDE.1, "/readyz").ok().filter(|answer| answer.status == 200))
    })
    .with_context(|| run::last_log_lines("outside.collector"))
    .map(drop)
}

/// Points all filters to another collector.
fn redirect(host: &str) -> anyhow::Result<()> {
    for namespace in mesh::FILTERED {
        let plugin = mesh::plugin("wasmplugin-http.yaml", namespace)?;
        cluster::apply(&plugin.replace("hopscope-collector.observability.svc.cluster.local", host))?;
    }
    wait_until_pushed()
}

fn reported(outcome: &mut Outcome) -> anyhow::Result<()> {
    std::thread::sleep(Duration::from_secs(2));
    send_to_gateway("/call/backend.shop:8080/", 100, 50)?;
    let seen = run::wait_for("reports at the collector outside", Duration::from_secs(30), || {
        let ledger: Value = http::json(OUTSIDE.0, OUTSIDE.1, "/api/v1/proxies")?;
        // Requests reported to the other collector before count as seen and as dropped here.
        let delivered = ledger.pointer("/total/delivered").and_then(Value::as_i64).unwrap_or(0);
        Ok((delivered == 400).then_some(ledger))
    });
    let shown = match &seen {
        Ok(ledger) => ledger.get("total").map(Value::to_string).unwrap_or_default(),
        Err(error) => format!("{error:#}"),
    };
    outcome.check("outside of the mesh, over TLS of its own: all requests are reported", seen.is_ok(), shown);
    Ok(())
}
