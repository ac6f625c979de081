//! The contract between filter and collector as Rust types.
//!
//! In: `hopscope/v1/telemetry.proto`, whose field comments are the reference, and a subset of
//! Envoy's API below `envoy/`.
//! Out: the bindings that `prost` and `tonic` generate from these files.
//! Invariant: the package contains no logic, and the bindings match the files
//! (`tests/generated.rs` regenerates stale bindings and fails).

/// Version 1 of the contract.
pub mod v1 {
    include!("gen/hopscope.v1.rs");

    /// The value of `Batch.schema_version` for these bindings.
    pub const SCHEMA_VERSION: u32 = 1;
}

/// Subset of Envoy's access log service, version 3, that the collector reads.
#[cfg(feature = "als")]
pub mod envoy {
    /// Package `envoy.config`.
    pub mod config {
        /// Package `envoy.config.core`.
        pub mod core {
            /// Package `envoy.config.core.v3`.
            pub mod v3 {
                include!("gen/envoy.config.core.v3.rs");
            }
        }
    }
    /// Package `envoy.data`.
    pub mod data {
        /// Package `envoy.data.accesslog`.
        pub mod accesslog {
            /// Package `envoy.data.accesslog.v3`.
            pub mod v3 {
                include!("gen/envoy.data.accesslog.v3.rs");
            }
        }
    }
    /// Package `envoy.service`.
    pub mod service {
        /// Package `envoy.service.accesslog`.
        pub mod accesslog {
            /// Package `envoy.service.accesslog.v3`.
            pub mod v3 {
                include!("gen/envoy.service.accesslog.v3.rs");
            }
        }
    }
}
