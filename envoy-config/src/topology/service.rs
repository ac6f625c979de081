//! Services with their subsets and routes.
//!
//! In: the list `services` of the topology. Out: [`Service`]s.
//! Invariant: a service without routes has Istio's default route.

use serde::Deserialize;

use crate::fault::Fault;

/// A Service, with its `DestinationRule` and `VirtualService`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Short name.
    pub name: String,
    /// Ids of the serving workloads.
    pub workloads: Vec<String>,
    /// Whether callers use plaintext instead of mTLS.
    #[serde(default)]
    pub plaintext: bool,
    /// Subsets of its `DestinationRule`.
    #[serde(default)]
    pub subsets: Vec<Subset>,
    /// Routes of its `VirtualService`; empty means Istio's default route.
    #[serde(default)]
    pub routes: Vec<Route>,
}

/// A subset of a service's endpoints, with its own cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Name.
    pub name: String,
    /// Ids of the workloads.
    pub workloads: Vec<String>,
    /// Limits of its connection pool.
    pub connection_pool: Option<ConnectionPool>,
    /// Hop that connections pass through.
    pub through: Option<String>,
}

/// Limits of a connection pool.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionPool {
    /// Connections to the subset.
    pub max_connections: u32,
    /// Pending requests.
    pub max_pending_requests: u32,
}

/// An http route of a `VirtualService`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name.
    pub name: String,
    /// Matching requests.
    pub r#match: Match,
    /// Destinations by weight.
    pub destinations: Vec<Destination>,
    /// Timeout, milliseconds; without it there is none.
    pub timeout_ms: Option<u64>,
    /// Retries instead of Istio's default ones.
    pub retries: Option<Retries>,
}

/// Match of a route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Prefix of the path.
    pub path: String,
    /// Exact value of the header `x-fault`.
    #[serde(rename = "x-fault")]
    pub fault: Option<Fault>,
}

/// One destination of a route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Subset; without it, all endpoints of the service.
    #[serde(default)]
    pub subset: String,
    /// Share in percent, when there are several destinations.
    pub weight: Option<u32>,
}

/// Retries of a route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// Retries after the first attempt.
    pub attempts: u32,
    /// Envoy's conditions; empty means none.
    pub on: String,
}
