//! Traffic goes on when a filter has died, and the collector says which proxy is blind.

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

/// Whose filter dies; it stands between the gateway and payments.
const VICTIM: &str = "shop-v1";
const RATE: f64 = 100.0;
/// Envoy ends the streams that a VM was concerned with when it traps; that many may be under way on a busy machine.
const UNDER_WAY_MAX: u64 = 10;
/// Under traffic all others report twice a second.
const QUIET_S: u64 = 5;
/// The filter lives for some seconds, and is then overdue for [`QUIET_S`] twice.
const BLIND_WITHIN: Duration = Duration::from_secs(60);

/// What each proxy does, by its node id.
async fn standings(mesh: &Mesh) -> BTreeMap<String, String> {
    let books = fetch::json(mesh.collector().unwrap().http(), "/api/v1/proxies").await.unwrap();
    let rows = books.get("proxies").unwrap().as_array().unwrap().iter();
    let text = |row: &serde_json::Value, name: &str| row.get(name).unwrap().as_str().unwrap().to_owned();
    rows.map(|row| (text(row, "proxy"), text(row, "standing"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_goes_on_when_a_filter_died_and_its_proxy_is_called_blind() {
    let dies = FilterSettings::reporting(Some(parts::path("HOPSCOPE_MODULE_THAT_TRAPS")));
    let mesh = parts::start(MeshOptions {
        // One VM serves all requests of a proxy.
        concurrency: 1,
        filter_exceptions: BTreeMap::from([(VICTIM.to_owned(), dies)]),
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
    let blind = eventually("the collector calls the proxy blind", BLIND_WITHIN, async || {
        let standings = standings(&mesh).await;
        (standings.get(&victim)? == "blind").then_some(standings)
    });
    let mut others = blind.await.unwrap();
    others.remove(&victim);
    assert!(others.len() >= 4 && others.values().all(|standing| standing == "reporting"), "{others:?}");
    let text = crate::metrics::text(&mesh).await;
    assert!(text.contains("hopscope_proxies{standing=\"blind\"} 1\n"), "{text}");

    stop.send(()).unwrap();
    traffic.await.unwrap();
    let before = tally.lock().unwrap().normal.clone();
    assert!(before.sent > 500, "{}", before.sent);
    assert!(before.with_status(200) + UNDER_WAY_MAX >= before.sent, "requests failed: {before:?}");
    let after = drive(&mesh.client(), 500, &Mix::healthy(), 8).await.normal;
    assert_eq!(after.with_status(200), 500, "a request failed behind a dead filter: {after:?}");
    let log = std::fs::read_to_string(mesh.envoy(VICTIM).unwrap().log()).unwrap();
    assert!(log.contains("unreachable"), "nothing trapped: {log}");
    mesh.stop().await.unwrap();
}
