//! Records, and how they are made.

pub mod builder;
pub mod edge_cache;
pub mod peer_metadata;
#[expect(clippy::module_inception, reason = "the file of the main type")]
mod record;

pub mod service;
pub mod stream_info;
pub use record::{
    DURATION_US_MAX, Edge, FailureReason, MessageCounts, Outcome, Peer, Protocol, Record, Reporter,
    RequestStats, TEXT_BYTES_MAX,
};
