//! Whole-mesh tests: real Envoys, the real module, the real collector, on free ports of loopback.
//!
//! In: paths of the programs, which `cargo xtask test` sets in the environment ([`parts`]).
//! Invariant: each test starts a mesh of its own and stops it; a missing program is a failure, not
//! a skip.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test harness panics, as its tests do")]

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
mod in_flight;
mod tcp;
mod grpc;
mod protocols;
mod access_logs;
mod health;
mod outage;
mod filter_crash;
mod configuration;
mod demo;
