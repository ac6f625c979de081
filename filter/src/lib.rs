//! Hopscope's filter: one enriched record per finished request, reported over gRPC.
//!
//! The modules are listed in the order of the data. Each may import the modules that are named
//! behind its arrow, and no others:
//!
//! - [`text`]: hashes, and texts without `core::fmt` → nothing
//! - [`config`]: the plugin configuration → `text`
//! - [`attributes`]: Envoy's attributes and expressions → nothing
//! - [`record`]: the attributes of a finished request as one record → `attributes`, `config`,
//!   `text`
//! - [`in_flight`]: requests and connections that have not ended → `record`, `config`
//! - [`batch`]: records as an encoded batch; fold rows under pressure → `in_flight`, `record`,
//!   `text`
//! - [`report`]: buffer, ledger, numbered batches, replies → all of the above
//! - [`vm`]: the state that all plugins of one VM share → all of the above
//! - [`self_metrics`]: the filter's own metrics → `vm`
//! - `host`: Envoy's callbacks and host calls → all of the above
//!
//! ```text
//! Envoy ─▶ host ─▶ attributes ─▶ record ─▶ batch ─▶ report ─▶ host ─▶ collector
//! ```
//!
//! Within a module, submodules import siblings that are listed earlier, never their parent.
//!
//! Invariants:
//! - Only `host` names `proxy_wasm`, and it exists on WASI only. All other code is a function of
//!   its arguments: no clock, no I/O, no panic. The compiler checks it, because every other target
//!   builds without a host.
//! - `seen = sent + folded + dropped + buffered`, at every moment ([`report::Ledger`]).
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
    allow(
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        reason = "only the Wasm module is built without formatting"
    )
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
