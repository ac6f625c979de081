//! The Hopscope filter, as a sidecar is given it.
//!
//! In: a module and its configuration, or neither. Out: what the bootstrap says of it.
//! Always: without a module no filter stands in the bootstrap, so that a bare Envoy can be compared.

use std::path::PathBuf;

use serde::Serialize;

/// The cluster of the collector in every bootstrap.
pub const COLLECTOR_CLUSTER: &str = "outbound|50051||hopscope-collector.observability.svc.cluster.local";

/// The authority of calls to the collector. The cluster's name is none: servers refuse the `|`.
pub const COLLECTOR_AUTHORITY: &str = "hopscope-collector.observability";

/// What Envoy does with requests when the filter has failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailurePolicy {
    /// Lets them pass without the filter.
    #[default]
    FailOpen,
    /// Loads the filter anew.
    FailReload,
    /// Refuses them.
    FailClosed,
}

/// The filter of one proxy.
#[derive(Debug, Clone)]
pub struct FilterSettings {
    /// The compiled module; no filter without it.
    pub module: Option<PathBuf>,
    /// Its configuration, JSON.
    pub configuration: String,
    /// What a failure means for traffic.
    pub failure_policy: FailurePolicy,
}

impl FilterSettings {
    /// The filter that reports to the mesh's collector twice a second; none without a module.
    pub fn reporting(module: Option<PathBuf>) -> Self {
        let configuration = serde_json::json!({
            "collector": {"cluster": COLLECTOR_CLUSTER, "authority": COLLECTOR_AUTHORITY},
            "report_interval_ms": 500,
        });
        Self { module, configuration: configuration.to_string(), failure_policy: FailurePolicy::default() }
    }
}
