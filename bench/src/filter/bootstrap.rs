//! What an Envoy starts from.
//!
//! In: arms, the module, where the origin and the sink are. Out: a bootstrap in JSON. Always holds: one outbound listener
//! per arm, each on a port that the kernel chooses; names and metadata are those that a real istiod gives.

use super::arm::Arm;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// The cluster that all telemetry goes to, so that Envoy counts its bytes apart from everything else.
pub(super) const TELEMETRY: &str = "telemetry";

/// Services that are called, each by a path of its own.
pub(super) const SERVICES: u64 = 10;

const TYPES: &str = "type.googleapis.com/";

/// What surrounds the Envoy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) module: &'a Path,
    /// Limits of the filter that differ from the defaults, as its configuration has them.
    pub(crate) limits: Option<&'a Value>,
    /// Worker threads of the Envoy.
    pub(crate) workers: u32,
    pub(crate) origin: SocketAddr,
    pub(crate) sink: SocketAddr,
}

/// A message with its type.
pub(super) fn typed(name: &str, mut message: Value) -> Value {
    if let Some(fields) = message.as_object_mut() {
        fields.insert("@type".into(), format!("{TYPES}{name}").into());
    }
    message
}

/// The bootstrap of an Envoy with a listener for each of these arms.
pub(super) fn bootstrap(arms: &[Arm], around: Surroundings<'_>) -> Value {
    let listeners: Vec<Value> = arms.iter().map(|arm| listener(*arm, around)).collect();
    let services = (0..SERVICES).map(|place| service(place, around.origin));
    let clusters: Vec<Value> = services.chain([telemetry(around.sink)]).collect();
    json!({
        "node": {
            "id": "sidecar~127.0.0.9~shop-v1-7d9c.shop~shop.svc.cluster.local",
            "cluster": "shop.shop",
            "metadata": {
                "WORKLOAD_NAME": "shop-v1",
                "NAMESPACE": "shop",
                "NAME": "shop-v1-7d9c",
                "INSTANCE_IPS": "127.0.0.9",
                "LABELS": {"app": "shop", "version": "v1"},
            },
        },
        "admin": {"address": address(SocketAddr::from(([127, 0, 0, 1], 0)))},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

fn listener(arm: Arm, around: Surroundings<'_>) -> Value {
    let routes: Vec<Value> = (0..SERVICES)
        .map(|place| {
            json!({
                "name": "default",
                "match": {"prefix": format!("/{place}/")},
                "route": {"cluster": cluster_name(place)},
            })
        })
        .collect();
    let router = typed("envoy.extensions.filters.http.router.v3.Router", json!({}));
    let mut http_filters = arm.http_filters(around);
    http_filters.push(json!({"name": "envoy.filters.http.router", "typed_config": router}));
    let manager = json!({
        "stat_prefix": arm.name(),
        "access_log": arm.access_log(),
        "route_config": {
            "name": arm.name(),
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "include_request_attempt_count": true, "routes": routes},
            ],
        },
        "http_filters": http_filters,
    });
    let manager =
        typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager);
    let mut filters = arm.network_filters();
    filters.push(json!({"name": "http", "typed_config": manager}));
    json!({
        "name": arm.name(),
        "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
        "traffic_direction": "OUTBOUND",
        "filter_chains": [{"filters": filters}],
    })
}

fn cluster_name(place: u64) -> String {
    format!("outbound|8080|v1|svc{place}.shop.svc.cluster.local")
}

fn service(place: u64, origin: SocketAddr) -> Value {
    let name = format!("svc{place}");
    let host = format!("{name}.shop.svc.cluster.local");
    let workload = format!("{name}-v1;shop;{name};v1;Kubernetes");
    let endpoint = json!({
        "endpoint": {"address": address(origin)},
        "metadata": {"filter_metadata": {"istio": {"workload": workload}}},
    });
    let services = json!([{"host": host, "name": name, "namespace": "shop"}]);
    let metadata = json!({"filter_metadata": {"istio": {"services": services}}});
    cluster(&cluster_name(place), &endpoint, json!({"metadata": metadata}))
}

fn telemetry(sink: SocketAddr) -> Value {
    let http2 = json!({"explicit_http_config": {"http2_protocol_options": {}}});
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let extensions = json!({"typed_extension_protocol_options": {options: typed(options, http2)}});
    cluster(TELEMETRY, &json!({"endpoint": {"address": address(sink)}}), extensions)
}

fn cluster(name: &str, endpoint: &Value, mut more: Value) -> Value {
    let basics = json!({
        "name": name,
        "type": "STATIC",
        // Long, since nothing is quick under callgrind.
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    if let (Some(all), Value::Object(basics)) = (more.as_object_mut(), basics) {
        all.extend(basics);
    }
    more
}

fn address(of: SocketAddr) -> Value {
    json!({"socket_address": {"address": of.ip().to_string(), "port_value": of.port()}})
}
