//! An outage of the collector fails no request, and every lost record is counted.

use crate::parts;
use hopscope_mesh::traffic::{Mix, Tally, steady};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// Requests per second.
const RATE: f64 = 150.0;
const OUTAGE: Duration = Duration::from_secs(5);

/// Kind of outage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    Killed,
}

async fn check(end: End) {
    let mut mesh = parts::start(parts::observed()).await;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (stop, stopped) = oneshot::channel::<()>();
    let traffic = {
        let (client, tally) = (mesh.client(), Arc::clone(&tally));
        tokio::spawn(async move { steady(&client, RATE, &Mix::healthy(), &tally, stopped).await })
    };
    tokio::time::sleep(Duration::from_secs(3)).await;
    if end == End::Stopped {
        mesh.stop_collector().await.unwrap();
    } else {
        mesh.kill_collector().unwrap();
    }
    tokio::time::sleep(OUTAGE).await;
    mesh.start_collector().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.send(()).unwrap();
    traffic.await.unwrap();

    let tally = tally.lock().unwrap().clone();
    let normal = &tally.normal;
    assert!(normal.sent > 500, "{}", normal.sent);
    assert_eq!(normal.with_status(200), normal.sent, "a request failed: {normal:?}");
    // A request that waited for the collector would take as long as the outage.
    assert!(normal.latencies.max() < OUTAGE / 2, "the slowest request took {:?}", normal.latencies.max());

    let rows = mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let document =
        hopscope_mesh::fetch::json(mesh.collector().unwrap().http(), "/api/v1/proxies").await.unwrap();
    let before =
        document.pointer("/total/drops/collector_restart").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let dropped: u64 = rows.iter().map(|row| row.ledger.dropped).sum();
    assert_eq!(dropped, before, "requests other than those of the first collector are missing");
    for row in &rows {
        assert_eq!(
            row.envoy_completed,
            row.ledger.delivered + row.ledger.folded + row.ledger.dropped,
            "{row}"
        );
    }
    let counted: u64 = rows.iter().map(|row| row.ledger.delivered + row.ledger.folded).sum();
    assert_eq!(crate::metrics::sum(&crate::metrics::text(&mesh).await, "hopscope_requests_total"), counted);
    mesh.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_stops_for_five_seconds_fails_no_request() {
    check(End::Stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_killed_fails_no_request() {
    check(End::Killed).await;
}
