//! The local mesh: real Envoys, small applications, and faults from their real causes.
//!
//! In: `mesh/topology.yaml`, the path of an Envoy, and perhaps of the filter and of the collector.
//! Out: a running mesh on loopback, traffic through it, and Envoy's own counts to compare with the
//! collector's.
//! Invariant: names, metadata and certificates are those of a real istiod; faults have real causes;
//! everything that a [`mesh::Mesh`] started ends with it.

// The topology and its addresses.
pub mod fault;
pub mod repeat;
pub mod topology;
pub mod address;
pub mod address_plan;
// The bootstrap of an Envoy.
pub mod certificates;
pub mod plugin;
pub mod bootstrap;
// Running programs.
pub mod eventually;
pub mod fetch;
pub mod process;
mod log_tail;
pub mod envoy;
pub mod application;
pub mod hop;
pub mod collector;
pub mod mesh;
pub mod protocols;
// Traffic and its accounting.
pub mod client;
pub mod traffic;
pub mod accounting;
// The command line.
pub mod progress;
pub mod demo;
pub mod validate;
// Programs of the pods of a real Istio.
pub mod pod;
// Parts that tests and benchmarks share.
pub mod random;
#[cfg(feature = "grpc")]
pub mod raw_codec;
