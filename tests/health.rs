//! The filter's metrics in Envoy's statistics equal Envoy's own counts, over all VMs.

use crate::parts;
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use hopscope_mesh::traffic::{Mix, drive};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Metrics of the filter in one Envoy, by their names without `wasmcustom.hopscope_`.
async fn health(admin: SocketAddr) -> BTreeMap<String, u64> {
    let text = fetch::text(admin, "/stats?filter=wasmcustom.hopscope_").await.unwrap();
    let values = text.lines().filter_map(|line| line.strip_prefix("wasmcustom.hopscope_")?.split_once(": "));
    values.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_envoy_exposes_the_metrics_of_its_filter() {
    let mesh = parts::start(parts::observed()).await;
    drive(&mesh.client(), 2_000, &Mix::faulty(0.1), 16).await;
    let rows = mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    for (workload, envoy) in mesh.envoys() {
        let proxy = mesh.node_id(workload).unwrap();
        let completed = rows.iter().find(|row| row.ledger.proxy == proxy).unwrap().envoy_completed;
        let is_at_rest = |of: &BTreeMap<String, u64>| {
            of.get("seen") == Some(&completed) && of.get("acknowledged") == Some(&completed)
        };
        let at_rest = eventually("the metrics are stable", parts::BALANCED_WITHIN, async || {
            Some(health(envoy.admin()).await).filter(is_at_rest)
        });
        let metrics = at_rest.await.unwrap();
        assert_eq!(metrics.len(), 13, "{metrics:?}");
        assert!(metrics["bytes_sent"] > 0, "{metrics:?}");
        let rest = ["bytes_sent", "seen", "acknowledged", "reports_failed"];
        let others: Vec<_> =
            metrics.iter().filter(|(name, value)| !rest.contains(&name.as_str()) && **value > 0).collect();
        assert_eq!(others, [], "{workload}");
    }
    mesh.stop().await.unwrap();
}
