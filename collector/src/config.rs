//! What `hopscope serve` can be told.
//!
//! In: the command line and the environment (`HOPSCOPE_…`). Out: a [`Config`]. Always holds: every limit has a default
//! that suits a mesh of some hundred services, and every value is checked before a port is bound.

use crate::aggregate;
use crate::identity;
use crate::ingest::DoorLimits;
use crate::ingest::options::Options;
use crate::ledger;
use crate::pipeline::Limits;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use std::net::SocketAddr;

/// Settings of the collector.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Where filters report (gRPC).
    #[arg(long, env = "HOPSCOPE_GRPC_ADDRESS", default_value = "127.0.0.1:50051", value_name = "IP:PORT")]
    pub grpc_address: SocketAddr,

    /// Where /metrics, /healthz, /readyz and the JSON API are (HTTP).
    #[arg(long, env = "HOPSCOPE_HTTP_ADDRESS", default_value = "127.0.0.1:9464", value_name = "IP:PORT")]
    pub http_address: SocketAddr,

    /// Largest report, bytes; a larger one is refused with `OUT_OF_RANGE`.
    #[arg(long, env = "HOPSCOPE_MESSAGE_BYTES_MAX", default_value = "4194304", value_name = "BYTES",
          value_parser = bounded(1024, 64 << 20))]
    pub message_bytes_max: usize,

    /// Reports at a time; one more is refused with `RESOURCE_EXHAUSTED`, and the filter keeps it.
    #[arg(long, env = "HOPSCOPE_REPORTS_IN_FLIGHT_MAX", default_value = "4096", value_name = "N",
          value_parser = bounded(1, 65_536))]
    pub reports_in_flight_max: usize,

    /// Series with labels of their own; what is more is counted in an overflow series.
    #[arg(long, env = "HOPSCOPE_SERIES_MAX", default_value = "100000", value_name = "N",
          value_parser = bounded(1, 10_000_000))]
    pub series_max: usize,

    /// Proxies in the address book; one more is asked to come back later.
    #[arg(long, env = "HOPSCOPE_PROXIES_MAX", default_value = "50000", value_name = "N",
          value_parser = bounded(1, 1_000_000))]
    pub proxies_max: usize,

    /// Open books, one per filter VM; likewise.
    #[arg(long, env = "HOPSCOPE_EPOCHS_MAX", default_value = "100000", value_name = "N",
          value_parser = bounded(1, 10_000_000))]
    pub epochs_max: usize,

    /// Services that only requests named (flags NR and NC); what is more is shown as `other`.
    #[arg(long, env = "HOPSCOPE_AUTHORITIES_MAX", default_value = "100", value_name = "N",
          value_parser = bounded(0, 100_000))]
    pub authorities_max: usize,

    /// How long a request may wait for the name of its peer, milliseconds.
    #[arg(long, env = "HOPSCOPE_NAME_WAIT_MS", default_value = "2000", value_name = "MS",
          value_parser = bounded(0, 60_000))]
    pub name_wait_ms: usize,

    /// The rest of the gRPC door.
    #[command(flatten)]
    pub grpc: Options,
}

impl Config {
    /// The bounds of the rooms.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            ledger: ledger::Limits { epochs_max: self.epochs_max, ..ledger::Limits::default() },
            identity: identity::Limits {
                proxies_max: self.proxies_max,
                authorities_max: self.authorities_max,
                ..identity::Limits::default()
            },
            waiting: identity::WaitingLimits {
                wait_us_max: self.name_wait_ms as u64 * 1_000,
                ..identity::WaitingLimits::default()
            },
            aggregate: aggregate::Limits { series_max: self.series_max, ..aggregate::Limits::default() },
        }
    }

    /// The bounds of the gRPC door.
    #[must_use]
    pub fn door(&self) -> DoorLimits {
        DoorLimits {
            message_bytes_max: self.message_bytes_max,
            reports_in_flight_max: self.reports_in_flight_max,
            reports_per_second_max: self.grpc.reports_per_second_max,
            message_timeout: self.grpc.message_timeout(),
            ..DoorLimits::default()
        }
    }
}

fn bounded(min: u64, max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min..=max)
}
