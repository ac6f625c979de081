//! Workloads and their calls.
//!
//! In: the list `workloads` of the topology. Out: [`Workload`]s.
//! Invariant: a Deployment has one pod with one address.

use serde::Deserialize;

/// A Deployment with one pod.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Name of the Deployment, of the app label and of the service account.
    pub name: String,
    /// The version label.
    pub version: String,
    /// Name of the pod.
    pub pod: String,
    /// Kind of the workload.
    pub kind: Kind,
    /// Last byte of its address.
    pub host: u8,
    /// Callable services.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Application; a gateway has none.
    pub application: Option<Application>,
}

/// Kind of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An Envoy alone.
    Gateway,
    /// An application and its Envoy.
    Sidecar,
    /// Nothing: every port is closed.
    Absent,
}

/// A small HTTP application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Call for each request; without it, the application answers by itself.
    pub calls: Option<Call>,
}

/// One request of an application to another service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Name of the service.
    pub service: String,
    /// Path of the request.
    pub path: String,
}

impl Workload {
    /// Unique id: `<name>-<version>`.
    pub fn id(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}
