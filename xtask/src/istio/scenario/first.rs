//! The first edges: what tells that a mesh which has come up is seen.

use super::Series;
use super::traffic::send_to_gateway;
use crate::istio::run;
use std::time::Duration;

/// For each edge of the site, by each of its two reporters, with versions.
const EDGES: [&str; 3] = [
    "source_workload=ingressgateway destination_workload=frontend-v1 destination_version=v1",
    "source_workload=frontend-v1 source_version=v1 destination_workload=backend-v1 destination_version=v1",
    "source_workload=frontend-v1 source_version=v1 destination_workload=backend-v2 destination_version=v2",
];

/// Visits the site until each edge is told by both of its sides.
pub(in crate::istio) fn edges() -> anyhow::Result<()> {
    run::wait_for("each edge told by both reporters", Duration::from_secs(60), || {
        send_to_gateway("/call/backend.shop:8080/", 20, 50)?;
        let seen = Series::requests()?;
        let reported = |edge: &str, reporter: &str| seen.sum(&format!("reporter={reporter} {edge}")) > 0;
        Ok(EDGES.iter().all(|edge| reported(edge, "source") && reported(edge, "destination")).then_some(()))
    })
}
