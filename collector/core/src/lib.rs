//! Pure part of the collector: from the bytes of a batch to counters, hops and windows.

pub mod prefetch;
pub mod interner;
pub mod text;
mod eviction;
pub mod histogram;
pub mod metrics;
pub mod snapshot;
pub mod settings;
pub mod batch;
pub mod intake;
pub mod ledger;
pub mod identity;
pub mod join;
pub mod aggregate;
pub mod recent;
pub mod detect;
pub mod engine;
