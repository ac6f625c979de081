//! What brings forth each fault, and who tells of it.
//!
//! In: the map `faults` of the topology. Out: [`Cause`]s.
//! Always: a cause is something that happens to real services, never a flag that is set.

use serde::Deserialize;

use super::Call;

/// What causes a fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// In words.
    pub why: String,
    /// Name of the workload whose application acts; none where the configuration alone is the cause.
    pub at: Option<String>,
    /// Called instead of the normal call.
    pub calls: Option<Call>,
    /// How long the application works before it answers, in milliseconds.
    pub works_ms: Option<u64>,
    /// The status that the application answers with.
    pub answers: Option<u16>,
    /// Whether the application closes the connection instead of answering.
    #[serde(default)]
    pub hangs_up: bool,
    /// It acts on the first so many attempts of its caller only; on all without it.
    pub attempts: Option<u32>,
    /// What the client does.
    #[serde(default)]
    pub client: ClientConduct,
    /// The record that names the fault.
    pub witness: Witness,
}

/// What the client of the gateway does to cause a fault.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConduct {
    /// Requests sent at once; one without it.
    pub burst: Option<u32>,
    /// Hangs up after so many milliseconds.
    pub leaves_after_ms: Option<u64>,
}

/// The record that names a fault, in the labels of Istio's metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// `source` or `destination`.
    pub reporter: String,
    /// Name of the workload whose proxy reports.
    pub workload: String,
    /// `response_flags`.
    pub flags: String,
    /// `response_code`.
    pub code: String,
}
