//! The contract between filter and collector, as Rust types.
//!
//! In: `hopscope/v1/telemetry.proto`, whose field comments are the reference, and a subset of Envoy's API below `envoy/`.
//! Out: the bindings that `prost` and `tonic` make of them. Always holds: no logic lives here, and the bindings equal
//! what the files say (`tests/generated.rs` rewrites them and fails when they do not).

/// Version 1 of the contract.
pub mod v1 {
    include!("gen/hopscope.v1.rs");

    /// The value of `Batch.schema_version` that these bindings speak.
    pub const SCHEMA_VERSION: u32 = 1;
}

/// Envoy's access log service, version 3, as far as the collector reads it.
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
