//! Whole-mesh tests: real Envoys, the real module, the real collector, on free ports of loopback.
//!
//! In: the parts that `cargo xtask test` built and names in the environment ([`parts`]). Out: verdicts. Always holds: each
//! test starts a mesh of its own and ends it; nothing is skipped (a part that is missing is a failure).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a harness fails loudly, as its tests do")]

mod parts;
mod metrics;
mod prometheus;

mod conservation;
mod faults;
mod failures;
mod verdicts;
mod hop_header;
mod identity;
mod metadata_exchange;
mod open;
mod tcp;
mod grpc;
mod health;
mod outage;
mod filter_crash;
mod configuration;
mod demo;
