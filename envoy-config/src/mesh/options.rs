//! Options of a mesh.
//!
//! Invariant: only the path of an Envoy is required; a missing option leaves a part out, or has the
//! value of a real mesh.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::plugin::FilterSettings;

/// The parts of a mesh.
#[derive(Debug, Clone)]
pub struct MeshOptions {
    /// Envoy binary.
    pub envoy: PathBuf,
    /// Worker threads of each Envoy.
    pub concurrency: u32,
    /// Filter of every proxy.
    pub filter: FilterSettings,
    /// Proxies with another filter, by workload id (`shop-v1`).
    pub filter_exceptions: BTreeMap<String, FilterSettings>,
    /// Binary `hopscope`; without it nothing listens at the collector's address.
    pub collector: Option<PathBuf>,
    /// More options of `hopscope serve`.
    pub collector_options: Vec<String>,
    /// Service account of all workloads, as in a namespace with the default account only; without
    /// it each has its own.
    pub service_account: Option<String>,
    /// Whether each Envoy writes a JSON line for each request, see `Mesh::request_log`.
    pub log_requests: bool,
    /// Whether to keep the folder.
    pub keep_folder: bool,
}

impl MeshOptions {
    /// Options of a mesh without filter and collector, with two worker threads for each Envoy.
    pub fn new(envoy: impl Into<PathBuf>) -> Self {
        Self {
            envoy: envoy.into(),
            concurrency: 2,
            filter: FilterSettings::reporting(None),
            filter_exceptions: BTreeMap::new(),
            collector: None,
            collector_options: Vec::new(),
            service_account: None,
            log_requests: false,
            keep_folder: false,
        }
    }

    /// Options of a mesh with filters that report to a collector.
    pub fn observed(
        envoy: impl Into<PathBuf>,
        module: impl Into<PathBuf>,
        collector: impl Into<PathBuf>,
    ) -> Self {
        Self {
            filter: FilterSettings::reporting(Some(module.into())),
            collector: Some(collector.into()),
            ..Self::new(envoy)
        }
    }
}
