//! Causes of faults, and the records that show them.
//!
//! In: the map `faults` of the topology. Out: [`Cause`]s.
//! Invariant: a cause is an event at real services, never an injected flag.

use serde::Deserialize;

use super::Call;

/// Cause of a fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Description.
    pub why: String,
    /// Workload whose application causes the fault; none where the configuration alone is the
    /// cause.
    pub at: Option<String>,
    /// Call instead of the normal one.
    pub calls: Option<Call>,
    /// Delay of the application's answer, milliseconds.
    pub works_ms: Option<u64>,
    /// Status of the application's answer.
    pub answers: Option<u16>,
    /// Whether the application closes the connection instead of answering.
    #[serde(default)]
    pub hangs_up: bool,
    /// Number of the caller's first attempts with the fault; without it all attempts have it.
    pub attempts: Option<u32>,
    /// Behaviour of the client.
    #[serde(default)]
    pub client: ClientBehavior,
    /// Record that shows the fault.
    pub witness: Witness,
}

/// Behaviour of the gateway's client that causes a fault.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientBehavior {
    /// Parallel requests; one without it.
    pub burst: Option<u32>,
    /// Time until the client disconnects, milliseconds.
    pub leaves_after_ms: Option<u64>,
}

/// Record that shows a fault, in the labels of Istio's metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// `source` or `destination`.
    pub reporter: String,
    /// Workload of the reporting proxy.
    pub workload: String,
    /// `response_flags`.
    pub flags: String,
    /// `response_code`.
    pub code: String,
}
