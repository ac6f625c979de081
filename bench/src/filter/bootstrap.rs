//! The bootstrap of an Envoy under measurement.
//!
//! In: arms, the module, addresses of origin and sink. Out: a bootstrap in JSON.
//! Invariant: one outbound listener per arm, each on a port that the kernel chooses; names and
//! metadata are those of a real istiod.

use super::arm::Arm;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// Cluster of all telemetry, so that Envoy counts its bytes separately.
pub(super) const TELEMETRY: &str = "telemetry";

/// Called services, each with a path of its own.
pub(super) const SERVICES: u64 = 10;

const TYPES: &str = "type.googleapis.com/";

/// Programs and addresses around the Envoy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Environment<'a> {
    pub(crate) module: &'a Path,
    /// Limits of the filter other than the defaults, in the form of its configuration.
    pub(crate) limits: Option<&'a Value>,
    /// Worker threads of the Envoy.
    pub(crate) workers: u32,
    pub(crate) origin: SocketAddr,
    pub(crate) sink: SocketAddr,
}

/// Adds its type to a message.
pub(super) fn typed(name: &str, mut message: Value) -> Value {
    if let Some(fields) = message.as_object_mut() {
        fields.insert("@type".into(), format!("{TYPES}{name}").into());
    }
    message
}

/// Returns the bootstrap of an Envoy with a listener for each of these arms.
pub(super) fn bootstrap(arms: &[Arm], environment: Environment<'_>) -> Value {
    let listeners: Vec<Value> = arms.iter().map(|arm| listener(*arm, environment)).collect();
    let services = (0..SERVICES).map(|index| service(index, environment.origin));
    let clusters: Vec<Value> = services.chain([telemetry(environment.sink)]).collect();
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

fn listener(arm: Arm, environment: Environment<'_>) -> Value {
    let routes: Vec<Value> = (0..SERVICES)
        .map(|index| {
            json!({
                "name": "default",
                "match": {"prefix": format!("/{index}/")},
                "route": {"cluster": cluster_name(index)},
            })
        })
        .collect();
    let router = typed("envoy.extensions.filters.http.router.v3.Router", json!({}));
    let mut http_filters = arm.http_filters(environment);
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

fn cluster_name(index: u64) -> String {
    format!("outbound|8080|v1|svc{index}.shop.svc.cluster.local")
}

fn service(index: u64, origin: SocketAddr) -> Value {
    let name = format!("svc{index}");
    let host = format!("{name}.shop.svc.cluster.local");
    let workload = format!("{name}-v1;shop;{name};v1;Kubernetes");
    let endpoint = json!({
        "endpoint": {"address": address(origin)},
        "metadata": {"filter_metadata": {"istio": {"workload": workload}}},
    });
    let services = json!([{"host": host, "name": name, "namespace": "shop"}]);
    let metadata = json!({"filter_metadata": {"istio": {"services": services}}});
    cluster(&cluster_name(index), &endpoint, json!({"metadata": metadata}))
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
        // Long, because callgrind slows everything down.
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
