//! Bootstrap of one Envoy that sends its access log to the collector.
//!
//! Invariant: names are those of istiod, and the log does not declare its reporter.

use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

const COLLECTOR: &str = "collector";
const TYPE: &str = "type.googleapis.com/envoy";

/// Node of an Envoy, and the addresses that it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    /// `sidecar` or `router`.
    pub(super) kind: &'a str,
    pub(super) address: Ipv4Addr,
    pub(super) admin: SocketAddr,
    pub(super) collector: SocketAddr,
}

impl Node<'_> {
    /// Returns the bootstrap with one listener, and its upstream cluster.
    pub(super) fn bootstrap(&self, listener: &Value, name: &str, upstream: SocketAddr) -> Value {
        let clusters = [http2_cluster(COLLECTOR, self.collector), cluster(name, upstream)];
        json!({
            "node": {
                "id": format!("{}~{}~pay-1.shop~shop.svc.cluster.local", self.kind, self.address),
                "cluster": "pay.shop",
                "metadata": {
                    "WORKLOAD_NAME": "pay",
                    "NAMESPACE": "shop",
                    "INSTANCE_IPS": self.address.to_string(),
                },
            },
            "admin": {"address": socket(self.admin)},
            "static_resources": {"listeners": [listener], "clusters": clusters},
        })
    }
}

/// Cluster of the application behind an inbound listener.
pub(super) const APPLICATION: &str = "inbound|8080||";

/// Returns an inbound listener that forwards requests to host `app`, and answers all others itself.
pub(super) fn http_listener(address: SocketAddr) -> Value {
    let manager = json!({
        "@type": format!("{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "inbound",
        "access_log": [{
            "name": "envoy.access_loggers.http_grpc",
            "typed_config": {
                "@type": format!("{TYPE}.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"),
                "common_config": log(),
                "additional_request_headers_to_log": ["content-type", "x-envoy-attempt-count"],
                "additional_response_headers_to_log": ["grpc-status"],
                "additional_response_trailers_to_log": ["grpc-status"],
            },
        }],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "known",
                    "domains": ["known"],
                    "routes": [{"match": {"prefix": "/denied"}, "direct_response": {"status": 403}}],
                },
                {
                    "name": "app",
                    "domains": ["app"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": APPLICATION}}],
                },
            ],
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": format!("{TYPE}.extensions.filters.http.router.v3.Router")},
        }],
    });
    let filter = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    json!({
        "name": "inbound",
        "address": socket(address),
        "traffic_direction": "INBOUND",
        "filter_chains": [{"filters": [filter]}],
    })
}

/// Returns an outbound listener that forwards connections, and reads their TLS server name.
pub(super) fn tcp_listener(address: SocketAddr, cluster: &str) -> Value {
    let proxy = json!({
        "@type": format!("{TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
        "stat_prefix": "outbound",
        "cluster": cluster,
        "access_log": [{
            "name": "envoy.access_loggers.tcp_grpc",
            "typed_config": {
                "@type": format!("{TYPE}.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig"),
                "common_config": log(),
            },
        }],
    });
    json!({
        "name": "outbound",
        "address": socket(address),
        "traffic_direction": "OUTBOUND",
        "listener_filters": [{
            "name": "envoy.filters.listener.tls_inspector",
            "typed_config": {
                "@type": format!("{TYPE}.extensions.filters.listener.tls_inspector.v3.TlsInspector"),
            },
        }],
        "filter_chains": [{
            "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}],
        }],
    })
}

fn log() -> Value {
    json!({
        "log_name": "hopscope",
        "transport_api_version": "V3",
        "buffer_flush_interval": "0.2s",
        "grpc_service": {"envoy_grpc": {"cluster_name": COLLECTOR}},
    })
}

fn cluster(name: &str, address: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(address)}}]}],
        },
    })
}

fn http2_cluster(name: &str, address: SocketAddr) -> Value {
    let mut cluster = cluster(name, address);
    let options = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": format!("{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"),
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.insert("typed_extension_protocol_options".to_owned(), options);
    }
    cluster
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}
