//! Network between two workloads that is worse than loopback.
//!
//! In: the list `hops` of the topology. Out: [`Hop`]s.
//! Always: a hop leads from one workload to one other.

use serde::Deserialize;

/// A stretch of network that lets requests pass and holds answers back, or breaks the connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// Name.
    pub name: String,
    /// Last byte of its address.
    pub host: u8,
    /// Id of the workload that it connects as.
    pub from: String,
    /// Id of the workload that it leads to.
    pub to: String,
    /// How long it holds answers, in milliseconds.
    pub answers_held_ms: u64,
    /// Whether it breaks the connection then, instead of passing them on.
    #[serde(default)]
    pub then_cut: bool,
}
