//! Hop ids: parallel calls with one request id are paired without ambiguity.

use crate::{parts, tcp};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use hopscope_mesh::protocols::Protocols;
use hopscope_mesh::protocols::client::Connection;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

const CLIENTS: u64 = 20;
const CALLS: u64 = 20;
const HEADER: &str = "x-hopscope-hop";

/// A filter that adds an id where there is none: the source sets it, the destination keeps it.
fn hop_id() -> Value {
    json!({
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {"request_mutations": [{"append": {
                "header": {"key": HEADER, "value": "%UNIQUE_ID%"},
                "append_action": "ADD_IF_ABSENT",
            }}]},
        },
    })
}

async fn calls_of_one_request(pair: &Protocols) {
    let listener = pair.listeners().http;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(async move {
            let mut connection = Connection::open(listener).await.unwrap();
            for _ in 0..CALLS {
                connection.get_with("x-request-id: one-and-the-same-for-all\r\n").await.unwrap();
            }
        });
    }
    clients.join_all().await;
}

/// Records by the result of the join, once none is pending.
async fn join_results(pair: &Protocols) -> Value {
    let all = eventually("every record is joined or expired", Duration::from_secs(60), async || {
        let hops = fetch::json(pair.collector().http(), "/api/v1/hops").await.unwrap();
        let sum = |name: &str| -> u64 {
            hops.get(name).unwrap().as_object().unwrap().values().filter_map(Value::as_u64).sum()
        };
        let all = ["records", "evicted", "unjoinable"].map(sum).iter().sum::<u64>();
        let is_complete = hops.get("pending")? == 0 && all == 2 * CLIENTS * CALLS;
        is_complete.then(|| hops.get("records").cloned()).flatten()
    });
    all.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hop_header_separates_calls_of_one_request() {
    for envoy in ["HOPSCOPE_ENVOY", "HOPSCOPE_ENVOY_OLDEST"] {
        let pair =
            tcp::start_configured(parts::path(envoy), &json!({"hop_header": HEADER}), vec![hop_id()]).await;
        calls_of_one_request(&pair).await;
        let records = 2 * CLIENTS * CALLS;
        assert_eq!(
            join_results(&pair).await,
            json!({"joined": records, "late": 0, "alone": 0, "ambiguous": 0})
        );
        pair.stop().await.unwrap();
    }
    let pair = tcp::start(parts::path("HOPSCOPE_ENVOY")).await;
    calls_of_one_request(&pair).await;
    let without = join_results(&pair).await;
    assert!(without["joined"].as_u64() < Some(2 * CLIENTS * CALLS), "{without}");
    pair.stop().await.unwrap();
}
