//! Hopscope's filter: one enriched record per finished request, reported over gRPC.
//!
//! In: what Envoy knows when a request ends ([`attributes`]). Out: numbered batches for the collector ([`report`]).
//! The modules stand in the order in which the data passes them:
//!
//! ```text
//! Envoy ─▶ host ─▶ attributes ─▶ record ─▶ batch ─▶ sender ─▶ host ─▶ collector
//!                  (identity)              fold (under pressure)
//! ```
//!
//! What always holds:
//! - Only `host` names `proxy_wasm`; it exists only where there is a host (WASI). Everything else is a function of
//!   its arguments: no clock, no I/O, no panic. The compiler keeps it, since every other target builds without.
//! - `seen = sent + folded + dropped + buffered`, at every moment ([`report::ledger`]).
//! - Every buffer has a bound ([`config::Limits`]) and a policy: fold first, drop last, count both.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::use_debug,
        clippy::disallowed_macros,
        clippy::disallowed_methods
    )
)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "only the module is without")
)]

pub mod text;
pub mod config;
pub mod attributes;
pub mod record;
pub mod in_flight;
pub mod batch;
pub mod report;
pub mod vm;
pub mod self_metrics;

#[cfg(target_os = "wasi")]
mod host;
