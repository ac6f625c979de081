//! Traffic continues after a filter has crashed, and the collector reports the proxy as not reporting.

use crate::parts;
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use hopscope_mesh::mesh::{Mesh, MeshOptions};
use hopscope_mesh::plugin::FilterSettings;
use hopscope_mesh::traffic::{Mix, Tally, drive, steady};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// Workload whose filter crashes; it is between the gateway and payments.
const VICTIM: &str = "shop-v1";
const RATE: f64 = 100.0;
/// Envoy resets the streams of a VM that traps; at most this many are in flight on a busy machine.
const IN_FLIGHT_MAX: u64 = 10;
/// The other proxies report twice per second under traffic.
const QUIET_S: u64 = 5;
/// The filter runs for some seconds; then its reports are overdue for twice [`QUIET_S`].
const NOT_REPORTING_WITHIN: Duration = Duration::from_secs(60);

/// Liveness of each proxy, by node id.
async fn states(mesh: &Mesh) -> BTreeMap<String, String> {
    let rows = fetch::list(mesh.collector().unwrap().http(), "/api/v1/proxies", "proxies").await.unwrap();
    let text = |row: &serde_json::Value, name: &str| row.get(name).unwrap().as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "proxy"), text(row, "state"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_continues_after_a_filter_crash_and_the_proxy_is_reported_blind() {
    let crashing = FilterSettings::reporting(Some(parts::path("HOPSCOPE_MODULE_THAT_TRAPS")));
    let mesh = parts::start(MeshOptions {
        // One VM serves all requests of a proxy.
        concurrency: 1,
        filter_exceptions: BTreeMap::from([(VICTIM.to_owned(), crashing)]),
        collector_options: vec!["--identity-quiet-s".to_owned(), QUIET_S.to_string()],
        ..parts::observed()
    })
    .await;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (stop, stopped) = oneshot::channel::<()>();
    let traffic = {
        let (client, tally) = (mesh.client(), Arc::clone(&tally));
        tokio::spawn(async move { steady(&client, RATE, &Mix::healthy(), &tally, stopped).await })
    };
    let victim = mesh.node_id(VICTIM).unwrap();
    let not_reporting =
        eventually("the collector reports the proxy as not reporting", NOT_REPORTING_WITHIN, async || {
            let states = states(&mesh).await;
            (states.get(&victim)? == "not_reporting").then_some(states)
        });
    let mut others = not_reporting.await.unwrap();
    others.remove(&victim);
    assert!(others.len() >= 4 && others.values().all(|state| state == "reporting"), "{others:?}");
    let text = crate::metrics::text(&mesh).await;
    assert!(text.contains("hopscope_proxies{state=\"not_reporting\"} 1\n"), "{text}");

    stop.send(()).unwrap();
    traffic.await.unwrap();
    let before = tally.lock().unwrap().normal.clone();
    assert!(before.sent > 500, "{}", before.sent);
    assert!(before.with_status(200) + IN_FLIGHT_MAX >= before.sent, "requests failed: {before:?}");
    let after = drive(&mesh.client(), 500, &Mix::healthy(), 8).await.normal;
    assert_eq!(after.with_status(200), 500, "a request failed after the filter crash: {after:?}");
    let log = std::fs::read_to_string(mesh.envoy(VICTIM).unwrap().log()).unwrap();
    assert!(log.contains("unreachable"), "no VM trapped: {log}");
    mesh.stop().await.unwrap();
}
