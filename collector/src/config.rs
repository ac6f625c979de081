//! Configuration: one YAML file, environment variables (`HOPSCOPE_…`) and the command line.
//!
//! In: their texts. Out: a [`Config`] with the origin of each value, or every [`Problem`] found.
//! Invariant: the command line overrides the environment, the environment overrides the file, and
//! the file overrides the defaults. An unknown key, or a value of the wrong type or out of range,
//! is refused before a port is bound.
//!
//! Settings are declared by the stage or server that they configure ([`hopscope_core::settings`]).

pub mod yaml;
pub mod problem;
pub mod layers;
pub mod options;
pub mod shown;
pub mod schema;
pub mod source;

pub use layers::{Layers, Loaded};
pub use options::Options;
pub use problem::{Origin, Problem};
pub use source::Source;

use crate::{grpc, http, journal, runtime, sinks};
use hopscope_core::{engine, sections};

sections! {
    /// Settings of the collector.
    Config {
        /// Addresses.
        listen: runtime::settings::Listen,
        /// The gRPC server.
        grpc: grpc::Settings,
        /// The HTTP server.
        http: http::Settings,
        /// The journal.
        journal: journal::Settings,
        /// The stages of the engine.
        engine: engine::Settings,
        /// The sinks.
        sinks: sinks::Settings,
    }
}

#[cfg(test)]
mod tests;
