//! Settings of the Hopscope filter in a bootstrap.
//!
//! Invariant: without a module the bootstrap has no filter, to compare with a bare Envoy.

use std::path::PathBuf;

use serde::Serialize;

/// Cluster of the collector in every bootstrap.
pub const COLLECTOR_CLUSTER: &str = "outbound|50051||hopscope-collector.observability.svc.cluster.local";

/// Authority of calls to the collector. Servers reject the `|` of the cluster's name.
pub const COLLECTOR_AUTHORITY: &str = "hopscope-collector.observability";

/// Envoy's behaviour for requests after a failure of the filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailurePolicy {
    /// Requests pass without the filter.
    #[default]
    FailOpen,
    /// Envoy reloads the filter.
    FailReload,
    /// Envoy rejects requests.
    FailClosed,
}

/// The filter of one proxy.
#[derive(Debug, Clone)]
pub struct FilterSettings {
    /// Compiled module; no filter without it.
    pub module: Option<PathBuf>,
    /// Configuration of the filter, JSON.
    pub configuration: String,
    /// Behaviour after a failure.
    pub failure_policy: FailurePolicy,
}

impl FilterSettings {
    /// Settings of a filter that reports to the mesh's collector twice per second; no filter
    /// without a module.
    pub fn reporting(module: Option<PathBuf>) -> Self {
        let configuration = serde_json::json!({
            "collector": {"cluster": COLLECTOR_CLUSTER, "authority": COLLECTOR_AUTHORITY},
            "report_interval_ms": 500,
        });
        Self { module, configuration: configuration.to_string(), failure_policy: FailurePolicy::default() }
    }
}
