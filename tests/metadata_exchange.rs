//! Objects under the names of Istio's metadata exchange, on Envoys that have none: whatever another filter has left there, both
//! sides are named as without it; and what the filter asks for finds the fields of an object that has them.
//!
//! Upstream Envoy can make no object with Istio's fields (`set_filter_state` makes texts, numbers and addresses), so what is
//! read from one is held to bytes in the filter's own tests. Here a field that an address has is asked for under their names:
//! the filter's host call walks the same maps as Envoy's expressions do.

use crate::{parts, tcp};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::protocols::Protocols;
use hopscope_mesh::protocols::client::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const REQUESTS: u64 = 40;

/// What `set_filter_state` makes an object of, and from what.
type Shape = (&'static str, &'static str);

const TEXT: Shape = ("envoy.string", "payments-v9;shop;payments");
/// It has the fields `ip` and `port`.
const FIELDS: Shape = ("envoy.network.transport_socket.original_dst_address", "10.9.8.7:80");
const NUMBER: Shape = ("envoy.ratelimit.hits_addend", "7");
const LIST: Shape = ("envoy.network.application_protocols", "h2,http/1.1");

/// Lets a filter set objects under the names of new Istios and of old ones.
fn objects(new: Option<Shape>, old: Option<Shape>) -> Value {
    let object = |name: String, shape: Option<Shape>| {
        let (factory, value) = shape?;
        Some(json!({
            "object_key": name,
            "factory_key": factory,
            "format_string": {"text_format_source": {"inline_string": value}},
        }))
    };
    let of = |name: &str| [object(format!("{name}_obj"), new), object(name.to_owned(), old)];
    let all: Vec<Value> =
        ["upstream_peer", "downstream_peer"].iter().flat_map(|name| of(name)).flatten().collect();
    json!({
        "name": "envoy.filters.http.set_filter_state",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": all,
        },
    })
}

async fn requests(pair: &Protocols) {
    let mut connection = Connection::open(pair.doors().http).await.unwrap();
    for _ in 0..REQUESTS {
        connection.get().await.unwrap();
    }
}

/// How both sides name the two ends, and of how many requests, once all are told.
async fn names(pair: &Protocols) -> BTreeMap<String, u64> {
    let told = eventually("all requests are told", Duration::from_secs(20), async || {
        let ledgers = pair.collector().ledgers().await.unwrap();
        let all = ledgers.iter().map(|row| (row.seen, row.unaccounted)).collect::<Vec<_>>();
        (all == [(REQUESTS, 0), (REQUESTS, 0)]).then_some(())
    });
    told.await.unwrap();
    let rows = tcp::rows(pair, "/api/v1/edges", "edges").await;
    let mut names = BTreeMap::new();
    for row in &rows {
        let of = |end: &str| {
            let text = |name: &str| row[format!("{end}_{name}")].as_str().unwrap().to_owned();
            ["workload", "namespace", "version"].map(text).join(" ")
        };
        // The first report of a side may be read before the collector knows all of the other, and is a row of its own then.
        *names
            .entry(format!("{}: {} -> {}", row["reporter"], of("source"), of("destination")))
            .or_default() += row["requests"].as_u64().unwrap();
    }
    names
}

async fn harmless(envoy: &str, shapes: &[(Shape, Shape)]) {
    let start = |before| tcp::start_behind(parts::path(envoy), before);
    let bare = start(Vec::new()).await;
    requests(&bare).await;
    let expected = names(&bare).await;
    let edge = "shop shop v1 -> payments shop v1";
    let told = ["source", "destination"].map(|side| (format!("\"{side}\": {edge}"), REQUESTS));
    assert_eq!(expected, BTreeMap::from(told));
    bare.stop().await.unwrap();
    for (new, old) in shapes {
        let pair = start(vec![objects(Some(*new), Some(*old))]).await;
        requests(&pair).await;
        assert_eq!(names(&pair).await, expected, "{envoy}: {new:?} and {old:?}");
        pair.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_objects_of_other_filters_change_no_name() {
    harmless("HOPSCOPE_ENVOY", &[(TEXT, TEXT), (FIELDS, TEXT), (TEXT, FIELDS), (NUMBER, LIST)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_objects_of_other_filters_change_no_name_on_the_oldest_envoy() {
    harmless("HOPSCOPE_ENVOY_OLDEST", &[(TEXT, FIELDS), (FIELDS, TEXT)]).await;
}

/// A field that an address has, of the object that new Istios leave, else of that of old ones.
fn asked(object: &str) -> String {
    let of = |name: String| {
        format!("'{name}' in filter_state && 'ip' in filter_state['{name}'] ? filter_state['{name}']['ip']")
    };
    format!("{} : {} : ''", of(format!("{object}_obj")), of(object.to_owned()))
}

/// Lets Envoy say in the answer's head what an expression gives there.
fn said(header: &str, object: &str) -> Value {
    let value = format!("%CEL({})%", asked(object));
    json!({
        "name": format!("envoy.filters.http.header_mutation.{header}"),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {"response_mutations": [{"append": {
                "header": {"key": header, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }}]},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_fields_of_an_object_are_found_under_its_name() {
    for envoy in ["HOPSCOPE_ENVOY", "HOPSCOPE_ENVOY_OLDEST"] {
        // By the name of new Istios, by that of old ones, by the first of both; and nothing where there is none, or no field.
        let cases = [
            (Some(FIELDS), None, Some("10.9.8.7")),
            (None, Some(FIELDS), Some("10.9.8.7")),
            (Some(FIELDS), Some(TEXT), Some("10.9.8.7")),
            (None, None, None),
            (Some(TEXT), None, None),
        ];
        for (new, old, expected) in cases {
            let before = vec![
                objects(new, old),
                said("x-upstream", "upstream_peer"),
                said("x-downstream", "downstream_peer"),
            ];
            let pair = tcp::start_behind(parts::path(envoy), before).await;
            let head = Connection::open(pair.doors().http).await.unwrap().get().await.unwrap();
            for header in ["x-upstream", "x-downstream"] {
                let line = head.lines().find_map(|line| line.strip_prefix(&format!("{header}: ")));
                assert_eq!(line, expected, "{envoy}: {new:?} and {old:?}\n{head}");
            }
            pair.stop().await.unwrap();
        }
    }
}
