//! gRPC: the status of a call is that of its trailers, and its messages are counted.

use crate::{parts, tcp};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::protocols::client::{Connection, MESSAGES, grpc};
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn grpc_status_of_the_trailers_shows_on_both_sides_and_plain_http_has_none() {
    for envoy in ["HOPSCOPE_ENVOY", "HOPSCOPE_ENVOY_OLDEST"] {
        let pair = tcp::start(parts::path(envoy)).await;
        assert_eq!(grpc(pair.listeners().http, 14).await.unwrap(), (200, 14));
        assert_eq!(grpc(pair.listeners().http, 0).await.unwrap(), (200, 0));
        Connection::open(pair.listeners().http).await.unwrap().get().await.unwrap();
        let expected: BTreeSet<String> = ["source", "destination"]
            .iter()
            .flat_map(|side| {
                [
                    format!("{side} grpc 200 14 {MESSAGES}/1 failed"),
                    format!("{side} grpc 200 0 {MESSAGES}/1"),
                    format!("{side} http 200  0/0"),
                ]
            })
            .collect();
        let reported = async || {
            let rows = tcp::rows(&pair, "/api/v1/edges", "edges").await;
            let line = |row: &serde_json::Value| {
                let text = |name: &str| row.get(name).unwrap().as_str().unwrap();
                let failed = if row["failed"] == true { " failed" } else { "" };
                format!(
                    "{} {} {} {} {}/{}{failed}",
                    text("reporter"),
                    text("request_protocol"),
                    text("response_code"),
                    text("grpc_response_status"),
                    row["request_messages"],
                    row["response_messages"],
                )
            };
            rows.iter().map(line).collect::<BTreeSet<_>>()
        };
        let all = eventually("both sides report all three", Duration::from_secs(20), async || {
            (reported().await == expected).then_some(())
        });
        if all.await.is_err() {
            assert_eq!(reported().await, expected);
        }
        pair.stop().await.unwrap();
    }
}
