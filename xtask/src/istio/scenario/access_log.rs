//! A proxy that may not run Wasm: Envoy's own access log instead of the filter, from Istio's Telemetry.

use super::live::source;
use super::traffic::visit;
use super::{Applied, Series, Tale, pushed};
use crate::istio::{cluster, mesh};
use std::time::Duration;

const NAMESPACE: &str = "ingress";

pub(super) fn tell(tale: &mut Tale) -> anyhow::Result<()> {
    let plugin = mesh::plugin("wasmplugin-http.yaml", NAMESPACE)?;
    cluster::delete(&plugin)?;
    let telemetry = mesh::user_file("telemetry-access-log.yaml")?
        .replace("namespace: shop", &format!("namespace: {NAMESPACE}"))
        .replace("hopscope.dev/telemetry: access-log", "istio: ingressgateway");
    let applied = Applied::new(&telemetry)?;
    let told = logged(tale);
    drop(applied);
    cluster::apply(&plugin)?;
    pushed()?;
    told
}

fn logged(tale: &mut Tale) -> anyhow::Result<()> {
    std::thread::sleep(Duration::from_secs(5));
    let before = Series::settled()?;
    visit("/call/backend.shop:8080/", 100, 50)?;
    let seen = Series::settled()?.since(&before);
    let edge =
        "reporter=source source_workload=ingressgateway destination_service=frontend.shop.svc.cluster.local";
    tale.equal("the gateway's requests, told by its access log", 100, seen.sum(edge));
    let heard = "reporter=destination source_workload=ingressgateway destination_workload=frontend-v1";
    tale.equal("the same, told by the frontend's filter", 100, seen.sum(heard));
    let source = source("ingressgateway")?;
    tale.check("the books say how they are known", source.contains("als"), source);
    Ok(())
}
