//! Edges reported by both sides, with versions, through injected sidecars with mTLS; and peers that
//! are no services of the mesh.

use super::traffic::{send, send_to_gateway};
use super::{Applied, Outcome, Series, wait_until_pushed};
use crate::istio::mesh;
use crate::istio::site::Site;
use std::time::Duration;

const REQUESTS: u64 = 300;

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    send_to_gateway("/call/backend.shop:8080/", 50, 50)?;
    let before = Series::when_quiet()?;
    let load = send_to_gateway("/call/backend.shop:8080/", REQUESTS, 100)?;
    outcome.check("all requests of the client succeed", load.with("200") == REQUESTS, load.show());
    let seen = Series::when_quiet()?.since(&before);
    let to_frontend =
        "source_workload=ingressgateway destination_workload=frontend-v1 destination_version=v1";
    let mutual = "connection_security_policy=mutual_tls";
    outcome.equal(
        "gateway → frontend, by the gateway",
        REQUESTS,
        seen.sum(&format!("reporter=source {to_frontend}")),
    );
    outcome.equal(
        "gateway → frontend, by the frontend over mTLS",
        REQUESTS,
        seen.sum(&format!("reporter=destination {to_frontend} {mutual}")),
    );
    let to_backend =
        "source_workload=frontend-v1 source_version=v1 destination_service=backend.shop.svc.cluster.local";
    for version in ["v1", "v2"] {
        let to = format!("{to_backend} destination_workload=backend-{version} destination_version={version}");
        let by_source = seen.sum(&format!("reporter=source {to}"));
        let by_destination = seen.sum(&format!("reporter=destination {to} {mutual}"));
        outcome.check(
            format!("frontend → backend {version}, by both sides, with x-forwarded-for"),
            by_source == by_destination && by_source > 0,
            format!("{by_source} and {by_destination}"),
        );
    }
    outcome.equal(
        "frontend → backend, both versions",
        REQUESTS,
        seen.sum(&format!("reporter=source {to_backend}")),
    );
    let stable = seen.sum(&format!("reporter=source {to_backend} destination_version=v1"));
    outcome.figure("stable_share_of_90", stable as f64 / REQUESTS as f64);
    if Site::here() == Site::Loopback {
        // On loopback no traffic is captured: neither that of a caller without a sidecar, nor that
        // to a host outside of the mesh.
        return Ok(());
    }
    unknown_peers(outcome)?;
    registry_only(outcome)
}

/// Applies a Sidecar that lists the known hosts, the collector included, and refuses all others.
fn registry_only(outcome: &mut Outcome) -> anyhow::Result<()> {
    let sidecar = mesh::user_file("sidecar-egress.yaml")?;
    let sidecar = sidecar.replace("spec:\n", "spec:\n  outboundTrafficPolicy: { mode: REGISTRY_ONLY }\n");
    let applied = Applied::new(&sidecar)?;
    std::thread::sleep(Duration::from_secs(3));
    let before = Series::when_quiet()?;
    let refused = send("frontend-v1", "http://10.244.0.16:8080/", 20, 50)?;
    let served = send("frontend-v1", "http://backend.shop:8080/", 20, 50)?;
    let seen = Series::when_quiet()?.since(&before);
    let black_hole = "reporter=source source_workload=frontend-v1 destination_service_name=BlackHoleCluster response_code=502";
    outcome.check(
        "to an address outside under REGISTRY_ONLY: BlackHoleCluster",
        refused.with("502") == 20 && seen.sum(black_hole) == 20,
        format!("{}; {}", refused.show(), seen.show("")),
    );
    let known =
        "source_workload=frontend-v1 destination_service=backend.shop.svc.cluster.local response_code=200";
    outcome.equal(
        "requests to hosts of the Sidecar are reported by both sides",
        2 * served.sent,
        seen.sum(known),
    );
    drop(applied);
    wait_until_pushed()
}

fn unknown_peers(outcome: &mut Outcome) -> anyhow::Result<()> {
    let before = Series::when_quiet()?;
    send("frontend-v1", "http://10.244.0.16:8080/", 20, 50)?;
    send("cronjob", "http://10.244.0.13:8080/", 20, 50)?;
    send("cronjob", "http://10.244.0.13:7777/", 20, 50)?;
    send("frontend-v1", "http://10.244.0.13:8080/", 20, 50)?;
    let seen = Series::when_quiet()?.since(&before);
    let cases = [
        (
            "to an address outside of the mesh: PassthroughCluster",
            "reporter=source source_workload=frontend-v1 destination_service_name=PassthroughCluster \
             destination_service=10.244.0.16",
        ),
        (
            "to a pod's own address, by the source: PassthroughCluster",
            "reporter=source source_workload=frontend-v1 destination_service_name=PassthroughCluster \
             destination_service=10.244.0.13",
        ),
        (
            "to a pod's own address, by the destination, in plaintext",
            "reporter=destination source_workload=frontend-v1 destination_workload=backend-v1 \
             connection_security_policy=none",
        ),
        (
            "from a caller without a sidecar: unknown",
            "reporter=destination source_workload=unknown destination_workload=backend-v1 response_code=200 \
             connection_security_policy=none",
        ),
        (
            "to a port that no Service names: InboundPassthroughCluster",
            "reporter=destination source_workload=unknown destination_workload=backend-v1 \
             destination_service_name=InboundPassthroughCluster",
        ),
    ];
    for (what, labels) in cases {
        let count = seen.sum(labels);
        let shown = if count == 20 { String::new() } else { format!("; {}", seen.show("")) };
        outcome.check(what, count == 20, format!("{count} of 20{shown}"));
    }
    Ok(())
}
