//! Slow network links between two workloads.
//!
//! In: the list `hops` of the topology. Out: [`Hop`]s.
//! Invariant: a hop connects one workload with one other.

use serde::Deserialize;

/// A link that passes requests and delays answers, or breaks the connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// Name.
    pub name: String,
    /// Last byte of its address.
    pub host: u8,
    /// Id of the source workload.
    pub from: String,
    /// Id of the destination workload.
    pub to: String,
    /// Delay of answers, milliseconds.
    pub answers_held_ms: u64,
    /// Whether the link breaks the connection after the delay instead of passing answers on.
    #[serde(default)]
    pub then_cut: bool,
}
