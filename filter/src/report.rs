//! Reports to the collector.

mod ack;
pub mod buffer;
pub mod collector_target;
pub mod identity;
pub mod ledger;
pub mod reply;
pub mod sender;
