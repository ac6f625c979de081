//! What the collector can be told.
//!
//! In: one YAML file, the environment (`HOPSCOPE_…`) and the command line. Out: a [`Config`], with where each value comes
//! from; or every [`Problem`] there is. Always holds: the command line overrules the environment, that the file, that the
//! defaults; every limit has a default that suits a mesh of some hundred services; a key that is unknown, a value of the
//! wrong type or out of range is refused before a port is bound.
//!
//! A setting is declared once, in the file of its section (see [`section`]); its option, variable, check, documentation
//! and schema follow from that.

pub mod section;
pub mod setting;
pub mod value;

pub mod aggregate;
pub mod failures;
pub mod identity;
pub mod grpc;
pub mod join;
pub mod journal;
pub mod ledger;
pub mod listen;
pub mod tls;
pub mod windows;
pub mod connections;

pub mod yaml;
pub mod problem;
pub mod layers;
pub mod options;
pub mod shown;
pub mod schema;
pub mod source;

pub use layers::{Layers, Loaded, Origin};
pub use options::Options;
pub use problem::{Place, Problem};
pub use section::{Section, Sections};
pub use setting::Setting;
pub use source::Source;
pub use value::{Kind, Secret, Typed, Value};

use crate::grpc::{ConnectionLimits, GrpcLimits};
use crate::journal::Durability;
use hopscope_core::engine::Limits;
use hopscope_core::identity::PendingLimits;
use hopscope_core::intake::validate;
use std::time::Duration;

section::sections! {
    /// Settings of the collector.
    Config {
        /// Where the collector listens.
        listen: listen::Listen,
        /// TLS at the gRPC door.
        tls: tls::Tls,
        /// What one connection may use.
        connections: connections::Connections,
        /// What the gRPC door lets through.
        grpc: grpc::Grpc,
        /// What survives the process.
        journal: journal::Journal,
        /// The books.
        ledger: ledger::Ledger,
        /// The address book.
        identity: identity::Identity,
        /// The two sides of each hop.
        join: join::Join,
        /// Counters and histograms.
        aggregate: aggregate::Aggregate,
        /// The last failed requests and connections, in full.
        failures: failures::Failures,
        /// The last minutes of each edge.
        windows: windows::Windows,
    }
    conflicts: |config: &Config| [
        listen::conflicts(&config.listen),
        tls::conflicts(&config.tls),
        journal::conflicts(&config.journal),
    ]
    .concat()
}

impl Config {
    /// The bounds of the rooms.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let Self { ledger, identity, join, aggregate, failures, windows, .. } = self;
        Limits {
            ledger: hopscope_core::ledger::Limits {
                epochs_max: ledger.epochs_max,
                silent_us_max: seconds(ledger.silent_s_max),
                ..hopscope_core::ledger::Limits::default()
            },
            identity: hopscope_core::identity::Limits {
                proxies_max: identity.proxies_max,
                silent_us_max: seconds(identity.silent_s_max),
                quiet_us: seconds(identity.quiet_s),
                account_us: seconds(identity.account_learning_s),
                services_max: identity.services_max,
                authorities_max: identity.authorities_max,
            },
            waiting: PendingLimits {
                groups_max: identity.pending_groups_max,
                wait_us_max: milliseconds(identity.pending_ms_max),
            },
            unnamed_max: identity.caller_inference_max,
            aggregate: hopscope_core::aggregate::Limits {
                series_max: aggregate.series_max,
                namespace_series_max: aggregate.namespace_series_max,
                idle_us_max: seconds(aggregate.idle_s_max),
            },
            failures: hopscope_core::recent::failures::Limits {
                edge_records_max: failures.edge_records_max,
                records_max: failures.records_max,
                bytes_max: failures.bytes_max,
            },
            windows: hopscope_core::recent::windows::Limits {
                bytes_max: windows.bytes_max,
                edge_instances_max: windows.edge_instances_max,
            },
            join: hopscope_core::join::Limits {
                enabled: join.enabled,
                pending_max: join.pending_max,
                window_us: milliseconds(join.window_ms),
                settle_us: milliseconds(join.pairing_delay_ms),
                slack_us: milliseconds(join.clock_tolerance_ms),
                edges_max: join.edges_max,
                idle_us_max: seconds(join.idle_s_max),
            },
        }
    }

    /// The settings of the journal; `None` when everything is to stay in memory.
    #[must_use]
    pub fn journal(&self) -> Option<crate::journal::Settings> {
        let journal = &self.journal;
        let data_dir = journal.data_dir.clone().filter(|_| journal.durability != Some(Durability::Memory))?;
        Some(crate::journal::Settings {
            data_dir,
            bytes_max: journal.bytes_max,
            commit_interval: Duration::from_millis(journal.commit_interval_ms),
            checkpoint_interval: Duration::from_millis(journal.snapshot_interval_ms),
        })
    }

    /// The bounds of the gRPC door.
    #[must_use]
    pub fn door(&self) -> GrpcLimits {
        let Self { grpc, connections, .. } = self;
        GrpcLimits {
            message_bytes_max: grpc.message_bytes_max,
            reports_in_flight_max: grpc.reports_in_flight_max as u64,
            bytes_in_flight_max: grpc.bytes_in_flight_max,
            reports_per_second_max: grpc.reports_per_second_max,
            long_streams_max: grpc.long_streams_max,
            message_timeout: Duration::from_millis(grpc.message_timeout_ms),
            connections: ConnectionLimits {
                max: connections.max,
                address_max: connections.address_max,
                reports_in_flight_max: connections.reports_in_flight_max,
                bytes_in_flight_max: connections.bytes_in_flight_max,
                reports_per_second_max: connections.reports_per_second_max,
                long_streams_max: connections.long_streams_max,
                handshake_timeout: Duration::from_millis(connections.handshake_timeout_ms),
            },
            batch: validate::Limits {
                strings_max: grpc.batch_strings_max,
                rows_max: grpc.batch_rows_max,
                records_max: grpc.batch_records_max,
                ahead_us_max: milliseconds(grpc.future_ms_max),
                age_us_max: seconds(grpc.age_s_max),
            },
        }
    }
}

fn seconds(s: u64) -> u64 {
    s.saturating_mul(1_000_000)
}

fn milliseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000)
}

#[cfg(test)]
mod tests;
