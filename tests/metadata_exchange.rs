//! Filter state objects under the names of Istio's metadata exchange, on Envoys without metadata
//! exchange.
//!
//! Objects of other filters under these names change no name of an edge, and the filter's
//! expressions read the fields of an object that has them.
//!
//! Upstream Envoy creates no object with Istio's fields (`set_filter_state` creates texts, numbers
//! and addresses), so the filter's own tests check the content of such an object byte by byte. The
//! tests here read a field of an address object under the same names: the filter's host call and
//! Envoy's expressions use the same maps.

use crate::{parts, tcp};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::protocols::Protocols;
use hopscope_mesh::protocols::client::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const REQUESTS: u64 = 40;

/// Factory and value of an object of `set_filter_state`.
type Shape = (&'static str, &'static str);

const TEXT: Shape = ("envoy.string", "payments-v9;shop;payments");
/// An object with the fields `ip` and `port`.
const FIELDS: Shape = ("envoy.network.transport_socket.original_dst_address", "10.9.8.7:80");
const NUMBER: Shape = ("envoy.ratelimit.hits_addend", "7");
const LIST: Shape = ("envoy.network.application_protocols", "h2,http/1.1");

/// A filter that sets objects under the names of new and of old releases of Istio.
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
    let mut connection = Connection::open(pair.listeners().http).await.unwrap();
    for _ in 0..REQUESTS {
        connection.get().await.unwrap();
    }
}

/// Names of both ends by reporter, with their requests, once all requests are reported.
async fn names(pair: &Protocols) -> BTreeMap<String, u64> {
    let reported = eventually("all requests are reported", Duration::from_secs(20), async || {
        let ledgers = pair.collector().ledgers().await.unwrap();
        let all = ledgers.iter().map(|row| (row.seen, row.unaccounted)).collect::<Vec<_>>();
        (all == [(REQUESTS, 0), (REQUESTS, 0)]).then_some(())
    });
    reported.await.unwrap();
    let rows = tcp::rows(pair, "/api/v1/edges", "edges").await;
    let mut names = BTreeMap::new();
    for row in &rows {
        let of = |end: &str| {
            let text = |name: &str| row[format!("{end}_{name}")].as_str().unwrap().to_owned();
            ["workload", "namespace", "version"].map(text).join(" ")
        };
        // The first report of a side may arrive before the identity of the other side, and has its
        // own row then.
        *names
            .entry(format!("{}: {} -> {}", row["reporter"], of("source"), of("destination")))
            .or_default() += row["requests"].as_u64().unwrap();
    }
    names
}

async fn check_names(envoy: &str, shapes: &[(Shape, Shape)]) {
    let start = |before| tcp::start_behind(parts::path(envoy), before);
    let bare = start(Vec::new()).await;
    requests(&bare).await;
    let expected = names(&bare).await;
    let edge = "shop shop v1 -> payments shop v1";
    let reported = ["source", "destination"].map(|side| (format!("\"{side}\": {edge}"), REQUESTS));
    assert_eq!(expected, BTreeMap::from(reported));
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
    check_names("HOPSCOPE_ENVOY", &[(TEXT, TEXT), (FIELDS, TEXT), (TEXT, FIELDS), (NUMBER, LIST)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_objects_of_other_filters_change_no_name_on_the_oldest_envoy() {
    check_names("HOPSCOPE_ENVOY_OLDEST", &[(TEXT, FIELDS), (FIELDS, TEXT)]).await;
}

/// Expression for the field `ip` of the object of new releases of Istio, else of old ones.
fn expression(object: &str) -> String {
    let of = |name: String| {
        format!("'{name}' in filter_state && 'ip' in filter_state['{name}'] ? filter_state['{name}']['ip']")
    };
    format!("{} : {} : ''", of(format!("{object}_obj")), of(object.to_owned()))
}

/// A filter that writes the value of an expression into a response header.
fn response_header(header: &str, object: &str) -> Value {
    let value = format!("%CEL({})%", expression(object));
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
        // New name, old name, the new one of both; no value without an object or without the field.
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
                response_header("x-upstream", "upstream_peer"),
                response_header("x-downstream", "downstream_peer"),
            ];
            let pair = tcp::start_behind(parts::path(envoy), before).await;
            let head = Connection::open(pair.listeners().http).await.unwrap().get().await.unwrap();
            for header in ["x-upstream", "x-downstream"] {
                let line = head.lines().find_map(|line| line.strip_prefix(&format!("{header}: ")));
                assert_eq!(line, expected, "{envoy}: {new:?} and {old:?}\n{head}");
            }
            pair.stop().await.unwrap();
        }
    }
}
