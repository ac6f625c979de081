//! Statuses that were never sent, that the protocol does not define, and types that are almost gRPC.

use crate::{parts, tcp};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::protocols::Protocols;
use hopscope_mesh::protocols::client::{Connection, call, cancel};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const GRPC: &str = "application/grpc";
const ENVOYS: [&str; 2] = ["HOPSCOPE_ENVOY", "HOPSCOPE_ENVOY_OLDEST"];
/// Requests around responses with an invalid code.
const GOOD: u64 = 300;

/// Returns the requests by `reporter protocol code grpc_status`, with `failed` where it applies.
async fn reported(pair: &Protocols) -> BTreeMap<String, u64> {
    let mut requests = BTreeMap::new();
    for row in tcp::rows(pair, "/api/v1/edges", "edges").await {
        let text = |name: &str| row.get(name).unwrap().as_str().unwrap().to_owned();
        let names = ["reporter", "request_protocol", "response_code", "grpc_response_status"].map(text);
        let failed = if row.get("failed").unwrap() == true { " failed" } else { "" };
        *requests.entry(names.join(" ").trim_end().to_owned() + failed).or_default() +=
            row.get("requests").unwrap().as_u64().unwrap();
    }
    requests
}

/// Waits until exactly these requests are reported.
async fn check(pair: &Protocols, expected: &[(&str, u64)]) {
    let expected: BTreeMap<String, u64> =
        expected.iter().map(|(line, requests)| ((*line).to_owned(), *requests)).collect();
    let all = eventually("all requests are reported", Duration::from_secs(20), async || {
        (reported(pair).await == expected).then_some(())
    });
    if all.await.is_err() {
        assert_eq!(reported(pair).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_status_that_grpc_does_not_define_is_a_failure_on_both_sides() {
    for envoy in ENVOYS {
        let pair = tcp::start(parts::path(envoy)).await;
        let listener = pair.listeners().http;
        for status in ["42", "-1", "abc", "17"] {
            assert_eq!(call(listener, status, GRPC).await.unwrap(), (200, Some(status.to_owned())));
        }
        for status in ["0", "16"] {
            call(listener, status, "application/grpc+proto").await.unwrap();
        }
        check(
            &pair,
            &[
                ("destination grpc 200 0", 1),
                ("destination grpc 200 16 failed", 1),
                ("destination grpc 200 invalid failed", 4),
                ("source grpc 200 0", 1),
                ("source grpc 200 16 failed", 1),
                ("source grpc 200 invalid failed", 4),
            ],
        )
        .await;
        pair.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_almost_grpc_is_http_without_a_status() {
    for envoy in ENVOYS {
        let pair = tcp::start(parts::path(envoy)).await;
        for content_type in
            ["application/grpc-web+proto", "application/grpc-web-text", "application/grpc;charset=utf-8"]
        {
            assert_eq!(call(pair.listeners().http, "0", content_type).await.unwrap().0, 200);
        }
        check(&pair, &[("destination http 200", 3), ("source http 200", 3)]).await;
        pair.stop().await.unwrap();
    }
}

/// The filter of Envoy that translates gRPC-Web: behind it the request is gRPC, and the trailers
/// are a part of the body.
fn grpc_web() -> Value {
    json!({
        "name": "envoy.filters.http.grpc_web",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_grpc_web_filter_a_success_has_no_status_and_no_failure() {
    for envoy in ENVOYS {
        let pair = tcp::start_behind(parts::path(envoy), vec![grpc_web()]).await;
        let (code, trailer) = call(pair.listeners().http, "0", "application/grpc-web+proto").await.unwrap();
        assert_eq!((code, trailer), (200, None));
        check(&pair, &[("destination grpc 200 0", 1), ("source grpc 200", 1)]).await;
        pair.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_grpc_stream_has_no_status() {
    for envoy in ENVOYS {
        let pair = tcp::start(parts::path(envoy)).await;
        cancel(pair.listeners().http).await.unwrap();
        check(&pair, &[("destination grpc 200 failed", 1), ("source grpc 200 failed", 1)]).await;
        pair.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_code_that_http_does_not_define_costs_no_other_request() {
    for envoy in ENVOYS {
        let pair = tcp::start(parts::path(envoy)).await;
        let listener = pair.listeners().http;
        let mut connection = Connection::open(listener).await.unwrap();
        for number in 0..GOOD {
            connection.get().await.unwrap();
            if number % 60 == 0 {
                Connection::open(listener).await.unwrap().code_of("/code/600").await.unwrap();
            }
        }
        let all = eventually("all requests are reported", Duration::from_secs(20), async || {
            let reported = reported(&pair).await;
            let requests = |line: &str| reported.get(line).copied().unwrap_or(0);
            let good = ["source http 200", "destination http 200"].map(requests);
            (good == [GOOD; 2] && requests("destination http invalid failed") == GOOD / 60).then_some(())
        });
        if all.await.is_err() {
            assert_eq!(reported(&pair).await, BTreeMap::new(), "{GOOD} good requests of both sides expected");
        }
        pair.stop().await.unwrap();
    }
}
