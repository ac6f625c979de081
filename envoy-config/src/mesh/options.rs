//! What to start, and how.
//!
//! In: nothing but the path of an Envoy is needed. Out: [`MeshOptions`].
//! Always: what is not said leaves a part out, or is as in a real mesh.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::plugin::FilterSettings;

/// The parts of a mesh.
#[derive(Debug, Clone)]
pub struct MeshOptions {
    /// The Envoy binary.
    pub envoy: PathBuf,
    /// Worker threads of each Envoy.
    pub concurrency: u32,
    /// The filter of every proxy.
    pub filter: FilterSettings,
    /// Proxies with another filter, by workload id (`shop-v1`).
    pub filter_exceptions: BTreeMap<String, FilterSettings>,
    /// The binary `hopscope`; without it nothing listens at the collector's address.
    pub collector: Option<PathBuf>,
    /// More options of `hopscope serve`.
    pub collector_options: Vec<String>,
    /// Service account of all workloads, as where nobody made any; without it each has its own.
    pub service_account: Option<String>,
    /// Whether each Envoy writes a JSON line for each request, see `Mesh::request_log`.
    pub log_requests: bool,
    /// Whether the folder stays when the mesh has gone.
    pub keep_folder: bool,
}

impl MeshOptions {
    /// A mesh without filter and collector, on two worker threads for each Envoy.
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

    /// The same with filters that report to a collector.
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
