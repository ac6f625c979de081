//! Reports: numbered batches that are sent until the collector acknowledges them.
//!
//! A record waits in the [`Buffer`], which the [`Ledger`] accounts for. The [`Sender`] gives a
//! batch its sequence number and repeats it until the [`Reply`] is final.

mod ledger;
mod buffer;
mod ack;
mod reply;
mod identity;
mod collector_target;
mod backoff;
mod schedule;
mod sender;

pub use buffer::Buffer;
pub use collector_target::grpc_service;
pub use identity::{ProxyIdentity, location};
pub use ledger::{BatchContent, Ledger};
pub use reply::{Reply, read as read_reply};
pub use sender::{OutgoingBatch, Sender};
