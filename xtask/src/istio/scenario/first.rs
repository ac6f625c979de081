//! The first edges, which show that a started mesh is observed.

use super::Series;
use super::traffic::send_to_gateway;
use crate::istio::run;
use std::time::Duration;

/// Labels of each edge, with versions.
const EDGES: [&str; 3] = [
    "source_workload=ingressgateway destination_workload=frontend-v1 destination_version=v1",
    "source_workload=frontend-v1 source_version=v1 destination_workload=backend-v1 destination_version=v1",
    "source_workload=frontend-v1 source_version=v1 destination_workload=backend-v2 destination_version=v2",
];

/// Sends requests until both sides have reported each edge.
pub(in crate::istio) fn edges() -> anyhow::Result<()> {
    run::wait_for("each edge reported by both sides", Duration::from_secs(60), || {
        send_to_gateway("/call/backend.shop:8080/", 20, 50)?;
        let seen = Series::requests()?;
        let reported = |edge: &str, reporter: &str| seen.sum(&format!("reporter={reporter} {edge}")) > 0;
        Ok(EDGES.iter().all(|edge| reported(edge, "source") && reported(edge, "destination")).then_some(()))
    })
}
