//! What the gRPC door can be told.
//!
//! In: the command line and the environment. Out: [`Options`]. Always holds: every limit has a default; without a
//! certificate the door speaks plaintext.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of the gRPC door beside its address.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Certificate chain of the gRPC door, PEM; with it the door speaks TLS only.
    #[arg(long, env = "HOPSCOPE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Its private key, PEM.
    #[arg(long, env = "HOPSCOPE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Certificate authorities of the proxies, PEM; with it every proxy has to present a certificate, and may report
    /// only for the namespace and service account in its SPIFFE id.
    #[arg(long, env = "HOPSCOPE_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,

    /// Trust domains of the proxies, separated by commas; without it every one that the authorities sign for.
    #[arg(
        long,
        env = "HOPSCOPE_TLS_TRUST_DOMAINS",
        value_name = "NAMES",
        value_delimiter = ',',
        requires = "tls_client_ca"
    )]
    pub tls_trust_domains: Vec<String>,

    /// How often the three files are looked at for changes, milliseconds.
    #[arg(long, env = "HOPSCOPE_TLS_RELOAD_MS", default_value = "10000", value_name = "MS",
          value_parser = bounded(50, 3_600_000))]
    pub tls_reload_ms: u64,

    /// Connections at a time; one more is closed at once.
    #[arg(long, env = "HOPSCOPE_CONNECTIONS_MAX", default_value = "16384", value_name = "N",
          value_parser = bounded(1, 1_000_000))]
    pub connections_max: u64,

    /// Connections at a time from one address; likewise.
    #[arg(long, env = "HOPSCOPE_ADDRESS_CONNECTIONS_MAX", default_value = "1024", value_name = "N",
          value_parser = bounded(1, 1_000_000))]
    pub address_connections_max: u64,

    /// HTTP/2 streams at a time on one connection; the client is told, and one more is reset.
    #[arg(long, env = "HOPSCOPE_CONNECTION_STREAMS_MAX", default_value = "256", value_name = "N",
          value_parser = bounded_u32(1, 65_536))]
    pub connection_streams_max: u32,

    /// Reports at a time on one connection; one more is refused with `RESOURCE_EXHAUSTED`.
    #[arg(long, env = "HOPSCOPE_CONNECTION_REPORTS_IN_FLIGHT_MAX", default_value = "256", value_name = "N",
          value_parser = bounded(1, 65_536))]
    pub connection_reports_in_flight_max: u64,

    /// Bytes of messages that are read and not yet handled, in total; what finds no room is refused with
    /// `RESOURCE_EXHAUSTED`.
    #[arg(long, env = "HOPSCOPE_BYTES_IN_FLIGHT_MAX", default_value = "268435456", value_name = "BYTES",
          value_parser = bounded(1 << 16, 1 << 40))]
    pub bytes_in_flight_max: u64,

    /// The same for one connection.
    #[arg(long, env = "HOPSCOPE_CONNECTION_BYTES_IN_FLIGHT_MAX", default_value = "16777216", value_name = "BYTES",
          value_parser = bounded(1 << 10, 1 << 40))]
    pub connection_bytes_in_flight_max: u64,

    /// Messages a second in total, with a burst of one second's worth; one more is refused with `RESOURCE_EXHAUSTED`,
    /// and an access log is read more slowly.
    #[arg(long, env = "HOPSCOPE_REPORTS_PER_SECOND_MAX", default_value = "1000000", value_name = "N",
          value_parser = bounded(1, 1_000_000_000))]
    pub reports_per_second_max: u64,

    /// The same for one connection.
    #[arg(long, env = "HOPSCOPE_CONNECTION_REPORTS_PER_SECOND_MAX", default_value = "50000", value_name = "N",
          value_parser = bounded(1, 1_000_000_000))]
    pub connection_reports_per_second_max: u64,

    /// Streams without end (access logs, health watches) in total; one more is refused with `RESOURCE_EXHAUSTED`.
    #[arg(long, env = "HOPSCOPE_OPEN_STREAMS_MAX", default_value = "16384", value_name = "N",
          value_parser = bounded(1, 1_000_000))]
    pub open_streams_max: u64,

    /// The same for one connection.
    #[arg(long, env = "HOPSCOPE_CONNECTION_OPEN_STREAMS_MAX", default_value = "16", value_name = "N",
          value_parser = bounded(1, 65_536))]
    pub connection_open_streams_max: u64,

    /// How long a message may take to arrive once it has begun, milliseconds.
    #[arg(long, env = "HOPSCOPE_MESSAGE_TIMEOUT_MS", default_value = "5000", value_name = "MS",
          value_parser = bounded(10, 600_000))]
    pub message_timeout_ms: u64,

    /// How long a connection may take to its first HTTP/2 bytes, the TLS handshake included, milliseconds.
    #[arg(long, env = "HOPSCOPE_HANDSHAKE_TIMEOUT_MS", default_value = "5000", value_name = "MS",
          value_parser = bounded(10, 600_000))]
    pub handshake_timeout_ms: u64,

    /// Largest head of a call, bytes.
    #[arg(long, env = "HOPSCOPE_HEADER_BYTES_MAX", default_value = "16384", value_name = "BYTES",
          value_parser = bounded_u32(1_024, 1 << 20))]
    pub header_bytes_max: u32,

    /// How often a silent client is pinged, milliseconds.
    #[arg(long, env = "HOPSCOPE_KEEPALIVE_INTERVAL_MS", default_value = "20000", value_name = "MS",
          value_parser = bounded(100, 3_600_000))]
    pub keepalive_interval_ms: u64,

    /// How long it may take to answer; then it is gone.
    #[arg(long, env = "HOPSCOPE_KEEPALIVE_TIMEOUT_MS", default_value = "20000", value_name = "MS",
          value_parser = bounded(100, 3_600_000))]
    pub keepalive_timeout_ms: u64,
}

impl Options {
    /// How long a message may take.
    #[must_use]
    pub fn message_timeout(&self) -> Duration {
        Duration::from_millis(self.message_timeout_ms)
    }

    /// How long a connection may take to its first bytes.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }
}

fn bounded(min: u64, max: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(min..=max)
}

fn bounded_u32(min: u64, max: u64) -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(min..=max)
}
