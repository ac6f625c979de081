//! A proxy without Wasm: Envoy's own access log, from Istio's Telemetry, instead of the filter.

use super::live::source;
use super::traffic::send_to_gateway;
use super::{Applied, Outcome, Series, wait_until_pushed};
use crate::istio::{cluster, mesh};
use std::time::Duration;

const NAMESPACE: &str = "ingress";

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    let plugin = mesh::plugin("wasmplugin-http.yaml", NAMESPACE)?;
    cluster::delete(&plugin)?;
    let telemetry = mesh::user_file("telemetry-access-log.yaml")?
        .replace("namespace: shop", &format!("namespace: {NAMESPACE}"))
        .replace("hopscope.dev/telemetry: access-log", "istio: ingressgateway");
    let applied = Applied::new(&telemetry)?;
    let result = logged(outcome);
    drop(applied);
    cluster::apply(&plugin)?;
    wait_until_pushed()?;
    result
}

fn logged(outcome: &mut Outcome) -> anyhow::Result<()> {
    std::thread::sleep(Duration::from_secs(5));
    let before = Series::when_quiet()?;
    send_to_gateway("/call/backend.shop:8080/", 100, 50)?;
    let seen = Series::when_quiet()?.since(&before);
    let edge =
        "reporter=source source_workload=ingressgateway destination_service=frontend.shop.svc.cluster.local";
    outcome.equal("requests of the gateway, reported by its access log", 100, seen.sum(edge));
    let by_destination =
        "reporter=destination source_workload=ingressgateway destination_workload=frontend-v1";
    outcome.equal("the same requests, reported by the frontend's filter", 100, seen.sum(by_destination));
    let source = source("ingressgateway")?;
    outcome.check("the collector names the source of the records", source.contains("als"), source);
    Ok(())
}
