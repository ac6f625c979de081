//! The contract between filter and collector, as Rust types.
//!
//! In: `hopscope/v1/telemetry.proto`, whose field comments are the reference. Out: the bindings that `prost` and
//! `tonic` make of it. Always holds: no logic lives here, and the bindings equal what the file says
//! (`tests/generated.rs` rewrites them and fails when they do not).

/// Version 1 of the contract.
pub mod v1 {
    include!("gen/hopscope.v1.rs");

    /// The value of `Batch.schema_version` that these bindings speak.
    pub const SCHEMA_VERSION: u32 = 1;
}
