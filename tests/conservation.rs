//! Every completed request of an Envoy is in the ledger and in the counters exactly once.

use crate::{metrics, parts};
use hopscope_mesh::mesh::MeshOptions;
use hopscope_mesh::traffic::{Mix, drive};
use std::path::PathBuf;

const REQUESTS: u64 = 20_000;

/// Checks that a mesh of these Envoys accounts for all requests.
async fn check(envoy: PathBuf) {
    let mesh = parts::start(MeshOptions { envoy, ..parts::observed() }).await;
    let tally = drive(&mesh.client(), REQUESTS, &Mix::faulty(0.1), 48).await;
    assert_eq!(tally.sent(), REQUESTS);

    let rows = mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    assert_eq!(rows.len(), 5);
    for row in &rows {
        assert_eq!(row.envoy_completed, row.ledger.delivered + row.ledger.folded, "{row}");
        assert_eq!((row.envoy_completed, row.ledger.dropped), (row.ledger.seen, 0), "{row}");
    }
    let text = metrics::text(&mesh).await;
    let completed: u64 = rows.iter().map(|row| row.envoy_completed).sum();
    assert!(completed > 3 * REQUESTS, "each request crosses several proxies: {completed}");
    assert_eq!(metrics::sum(&text, "hopscope_requests_total"), completed);
    assert_eq!(metrics::sum(&text, "hopscope_request_duration_seconds_count"), completed);
    assert_eq!(metrics::sum(&text, "hopscope_ledger_delivered_total"), completed);
    assert_eq!(metrics::promtool_errors(&text), "");
    mesh.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_requests_with_faults_are_all_accounted_for() {
    check(parts::path("HOPSCOPE_ENVOY")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_requests_are_all_accounted_for_on_the_oldest_envoy() {
    check(parts::path("HOPSCOPE_ENVOY_OLDEST")).await;
}
