//! The compared kinds of telemetry.
//!
//! In: an [`Arm`]. Out: the access logs and filters of its listener.
//! Invariant: arms differ in their telemetry only.
//!
//! `als_istio` is a lower bound of the cost in Istio: the peer object is one string here, in Istio
//! a struct.

use super::bootstrap::{Environment, TELEMETRY, typed};
use serde_json::{Value, json};

/// One kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    /// No telemetry.
    Bare,
    /// Envoy's gRPC access log with the minimum that carries the content of a record: a tag, the
    /// peer, one header.
    AlsLeast,
    /// Envoy's gRPC access log in a typical configuration of Istio: ten tags, the peer, four
    /// headers.
    AlsIstio,
    /// The filter, `detail: all`.
    HopscopeAll,
    /// The filter, `detail: failures`.
    HopscopeFailures,
    /// The filter, `detail: all`, with a hop id that Envoy adds to each request.
    HopscopeHopHeader,
}

/// Header of the hop id.
const HOP_HEADER: &str = "x-hopscope-hop";

impl Arm {
    /// All arms; the reference is the first.
    pub(crate) const ALL: [Self; 6] = [
        Self::Bare,
        Self::AlsLeast,
        Self::AlsIstio,
        Self::HopscopeAll,
        Self::HopscopeFailures,
        Self::HopscopeHopHeader,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::AlsLeast => "als_least",
            Self::AlsIstio => "als_istio",
            Self::HopscopeAll => "hopscope_all",
            Self::HopscopeFailures => "hopscope_failures",
            Self::HopscopeHopHeader => "hopscope_hop_header",
        }
    }

    /// Whether each request is reported.
    pub(crate) fn reports(self) -> bool {
        self != Self::Bare
    }

    /// Envoy's access logs.
    pub(super) fn access_log(self) -> Vec<Value> {
        match self {
            Self::AlsLeast => vec![als(&[node_tag("workload")], &["traceparent"])],
            Self::AlsIstio => {
                let nodes = (0..5).map(|index| node_tag(&format!("t{index}")));
                let literals = (0..5).map(|index| {
                    json!({"tag": format!("l{index}"), "literal": {"value": format!("value-{index}")}})
                });
                let headers = ["traceparent", "x-forwarded-proto", "x-request-id", "user-agent"];
                vec![als(&nodes.chain(literals).collect::<Vec<_>>(), &headers)]
            }
            Self::Bare | Self::HopscopeAll | Self::HopscopeFailures | Self::HopscopeHopHeader => Vec::new(),
        }
    }

    /// Filters before the HTTP connection manager: they set the peer of an access log, once per
    /// connection.
    pub(super) fn network_filters(self) -> Vec<Value> {
        if !matches!(self, Self::AlsLeast | Self::AlsIstio) {
            return Vec::new();
        }
        let peer = json!({
            "object_key": "downstream_peer",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": "shop-v1;shop;shop;v1;Kubernetes"}},
        });
        let config = typed(
            "envoy.extensions.filters.network.set_filter_state.v3.Config",
            json!({"on_new_connection": [peer]}),
        );
        vec![json!({"name": "peer", "typed_config": config})]
    }

    /// HTTP filters before the router.
    pub(super) fn http_filters(self, environment: Environment<'_>) -> Vec<Value> {
        let detail = match self {
            Self::HopscopeAll | Self::HopscopeHopHeader => "all",
            Self::HopscopeFailures => "failures",
            Self::Bare | Self::AlsLeast | Self::AlsIstio => return Vec::new(),
        };
        let mut settings = json!({"collector": {"cluster": TELEMETRY}, "detail": detail});
        if let (Some(settings), Some(limits)) = (settings.as_object_mut(), environment.limits) {
            settings.insert("limits".to_owned(), limits.clone());
        }
        if let (Some(settings), Self::HopscopeHopHeader) = (settings.as_object_mut(), self) {
            settings.insert("hop_header".to_owned(), HOP_HEADER.into());
        }
        let config = json!({
            "name": self.name(),
            "root_id": self.name(),
            "failure_policy": "FAIL_OPEN",
            "configuration": typed("google.protobuf.StringValue", json!({"value": settings.to_string()})),
            "vm_config": {
                "vm_id": self.name(),
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": environment.module}},
            },
        });
        let config = typed("envoy.extensions.filters.http.wasm.v3.Wasm", json!({"config": config}));
        let filter = json!({"name": "hopscope", "typed_config": config});
        if self == Self::HopscopeHopHeader { vec![hop_id(), filter] } else { vec![filter] }
    }
}

/// A filter that adds an id to each request.
fn hop_id() -> Value {
    let append = json!({
        "header": {"key": HOP_HEADER, "value": "%UNIQUE_ID%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    let config = typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        json!({"mutations": {"request_mutations": [{"append": append}]}}),
    );
    json!({"name": "hop_id", "typed_config": config})
}

fn als(tags: &[Value], headers: &[&str]) -> Value {
    let config = json!({
        "common_config": {
            "log_name": "bench",
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": TELEMETRY}},
            "custom_tags": tags,
            "filter_state_objects_to_log": ["downstream_peer"],
        },
        "additional_request_headers_to_log": headers,
    });
    json!({"name": "als", "typed_config": typed("envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig", config)})
}

/// A tag with the workload that the chosen endpoint's metadata names.
fn node_tag(tag: &str) -> Value {
    json!({"tag": tag, "metadata": {"kind": {"host": {}}, "metadata_key": {"key": "istio", "path": [{"key": "workload"}]}}})
}
