//! The local mesh: real Envoys, small applications, and faults from their real causes.
//!
//! In: `mesh/topology.yaml`, the path of an Envoy, and perhaps of the filter and of the collector. Out: a
//! running mesh on loopback, traffic through it, and what Envoy itself counted, to hold the collector to.
//! Always: names, metadata and certificates are those that a real istiod gives; a fault is caused, never
//! faked; everything that a [`mesh::Mesh`] started ends with it.

// What stands in the topology, and where it is.
pub mod fault;
pub mod repeat;
pub mod topology;
pub mod address;
pub mod address_plan;
// What an Envoy starts from.
pub mod certificates;
pub mod plugin;
pub mod bootstrap;
// What runs.
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
// What passes through it, and who counted that.
pub mod client;
pub mod traffic;
pub mod accounting;
// What people see of it.
pub mod progress;
pub mod demo;
pub mod validate;
// What the pods of a real Istio run.
pub mod pod;
// Parts that tests and benchmarks share.
pub mod random;
#[cfg(feature = "grpc")]
pub mod raw_codec;
