//! Records: one for each finished request and each closed connection.
//!
//! [`RecordBuilder`] reads the attributes of a finished request and makes a [`Record`] of them.
//! Reading is split into `StreamInfo` (one expression for every request) and the edge (cached,
//! see `edge_cache`).

mod now;
mod truncate;
mod stats;
mod outcome;
mod service;
mod edge;
#[expect(clippy::module_inception, reason = "the file of the main type")]
mod record;
mod stream_info;
mod evaluator;
mod edge_attributes;
mod peer_metadata;
mod edge_cache;
mod waypoint;
mod edge_resolver;
mod connection;
mod builder;

pub use builder::RecordBuilder;
pub use connection::{ConnectionState, KnownConnection};
pub use edge::{Edge, Peer, Reporter, named_revision};
pub use edge_attributes::in_flight_edge;
pub use now::Now;
pub use outcome::{FailureReason, Outcome, Protocol};
pub use record::Record;
pub use service::{Service, ServiceEvidence};
pub use stats::{MessageCounts, RequestStats};
