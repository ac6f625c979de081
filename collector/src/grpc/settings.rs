//! Sections `tls`, `connections` and `grpc`: the gRPC server.

use crate::listener::permits::Limits;
use hopscope_core::intake::validate;
use hopscope_core::settings::{Conflict, milliseconds_us, seconds_us};
use hopscope_core::{section, sections};
use std::path::PathBuf;
use std::time::Duration;

sections! {
    /// Settings of the gRPC server.
    Settings {
        /// TLS.
        tls: Tls,
        /// Limits of connections.
        connections: Connections,
        /// Limits of all connections together.
        server: Server,
    }
}

section! {
    /// TLS of the gRPC server. Without a certificate the server accepts plaintext. The files are
    /// checked for changes; new connections use the new files, and existing connections are not
    /// affected.
    "tls": Tls {
        /// Certificate chain of the gRPC server, PEM. If set, the server accepts TLS only.
        cert: Option<PathBuf> = None;
        /// Private key of the certificate, PEM.
        key: Option<PathBuf> = None;
        /// Certificate authorities of the proxies, PEM. If set, each proxy must present a
        /// certificate, and may report only for the namespace and service account in its SPIFFE id.
        client_ca: Option<PathBuf> = None;
        /// Trust domains of the proxies, separated by commas. Empty: every trust domain that the
        /// authorities sign for.
        trust_domains: String = String::new();
        /// Time between two checks of the three files for changes.
        reload_interval_ms: u64 = 10_000, { unit: "ms", range: (50, 3_600_000) };
    }
    conflicts: tls_conflicts
}

section! {
    /// Limits of the connections of the gRPC server. A changed limit applies to connections that
    /// are opened after the reload.
    "connections": Connections {
        /// Largest number of connections. One more is closed immediately.
        max: u64 = 16_384, { unit: "connections", range: (1, 1_000_000), live: true };
        /// Largest number of connections from one address. One more is closed immediately.
        address_max: u64 = 1_024,
            { option: "address-connections-max", unit: "connections", range: (1, 1_000_000), live: true };
        /// Largest number of concurrent HTTP/2 streams of one connection. The server announces it
        /// to the client and resets one more.
        streams_max: u64 = 256, { option: "connection-streams-max", unit: "streams", range: (1, 65_536) };
        /// Largest number of complete reports of one connection that are not yet processed. One more
        /// is refused with `RESOURCE_EXHAUSTED`, and the filter sends it again later.
        reports_in_flight_max: u64 = 256,
            { option: "connection-reports-in-flight-max", unit: "reports", range: (1, 65_536), live: true };
        /// Largest size of the messages of one connection that are read and not yet processed. A
        /// message beyond it is refused with `RESOURCE_EXHAUSTED`.
        bytes_in_flight_max: u64 = 16 << 20,
            { option: "connection-bytes-in-flight-max", unit: "bytes", range: (1 << 10, 1 << 40), live: true };
        /// Largest rate of messages on one connection, with a burst of one second. One more report
        /// is refused with `RESOURCE_EXHAUSTED`; an access-log stream is read more slowly.
        reports_per_second_max: u64 = 50_000,
            { option: "connection-reports-per-second-max", unit: "messages/s", range: (1, 1_000_000_000), live: true };
        /// Largest number of long-lived streams (access logs, health watches) on one connection.
        /// One more is refused with `RESOURCE_EXHAUSTED`. A proxy in front of the collector sends
        /// the streams of many nodes on one connection: by default as many as `streams_max`
        /// allows, after which it opens another connection.
        long_streams_max: u64 = 256,
            { option: "connection-long-streams-max", unit: "streams", range: (1, 65_536), live: true };
        /// Longest time until the first HTTP/2 bytes of a connection, including the TLS handshake.
        /// After that the connection is closed.
        handshake_timeout_ms: u64 = 5_000,
            { option: "handshake-timeout-ms", unit: "ms", range: (10, 600_000), live: true };
        /// Largest size of the headers of a call. A call with larger headers fails.
        header_bytes_max: u64 = 16_384, { option: "header-bytes-max", unit: "bytes", range: (1_024, 1 << 20) };
        /// Time between two keepalive pings to a client.
        keepalive_interval_ms: u64 = 20_000,
            { option: "keepalive-interval-ms", unit: "ms", range: (100, 3_600_000) };
        /// Longest time until a client answers a ping. After that the connection is closed.
        keepalive_timeout_ms: u64 = 20_000,
            { option: "keepalive-timeout-ms", unit: "ms", range: (100, 3_600_000) };
    }
}

section! {
    /// Limits of the gRPC server.
    "grpc": Server {
        /// Largest size of a report. A larger one is refused with `OUT_OF_RANGE`.
        message_bytes_max: usize = 4 << 20,
            { option: "message-bytes-max", unit: "bytes", range: (1024, 64 << 20), live: true };
        /// Largest number of complete reports that are not yet processed. One more is refused with
        /// `RESOURCE_EXHAUSTED`, and the filter sends it again later.
        reports_in_flight_max: u64 = 4_096,
            { option: "reports-in-flight-max", unit: "reports", range: (1, 65_536), live: true };
        /// Largest number of reports whose message has not arrived completely. One more is refused
        /// with `RESOURCE_EXHAUSTED`. A quarter is reserved for connections on which a report was
        /// accepted before.
        reports_receiving_max: u64 = 16_384,
            { option: "reports-receiving-max", unit: "reports", range: (1, 1_000_000), live: true };
        /// Largest size of the messages that are read and not yet processed. A message beyond it is
        /// refused with `RESOURCE_EXHAUSTED`.
        bytes_in_flight_max: u64 = 256 << 20,
            { option: "bytes-in-flight-max", unit: "bytes", range: (1 << 16, 1 << 40), live: true };
        /// Largest rate of messages, with a burst of one second. One more report is refused with
        /// `RESOURCE_EXHAUSTED`; an access-log stream is read more slowly.
        reports_per_second_max: u64 = 1_000_000,
            { option: "reports-per-second-max", unit: "messages/s", range: (1, 1_000_000_000), live: true };
        /// Largest number of long-lived streams (access logs, health watches). One more is refused
        /// with `RESOURCE_EXHAUSTED`.
        long_streams_max: u64 = 16_384,
            { option: "long-streams-max", unit: "streams", range: (1, 1_000_000), live: true };
        /// Longest time from the first to the last byte of a message. A slower message is refused
        /// with `RESOURCE_EXHAUSTED`.
        message_timeout_ms: u64 = 5_000,
            { option: "message-timeout-ms", unit: "ms", range: (10, 600_000), live: true };
        /// Largest number of entries in the string table of a report. A report with more is
        /// refused.
        batch_strings_max: usize = 65_536, { unit: "strings", range: (1, 1 << 20), live: true };
        /// Largest number of rows in each table of a report: edges, outcomes, folds. A report with
        /// more is refused.
        batch_rows_max: usize = 16_384, { unit: "rows", range: (1, 1 << 20), live: true };
        /// Largest number of single records in a report. A report with more is refused.
        batch_records_max: usize = 262_144, { unit: "records", range: (1, 1 << 22), live: true };
        /// Largest time by which a request may be ahead of the collector's clock. A later one is
        /// counted, with its time moved.
        future_ms_max: u64 = 600_000, { unit: "ms", range: (0, 86_400_000), live: true };
        /// Largest age of a request, from its end. An older one is counted, with its time moved.
        age_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
    }
}

impl Tls {
    /// Time between two checks of the files.
    pub(super) fn reload_interval(&self) -> Duration {
        Duration::from_millis(self.reload_interval_ms)
    }
}

impl Connections {
    /// Limits of the listener.
    pub(super) fn limits(&self) -> Limits {
        Limits { max: self.max, address_max: self.address_max }
    }

    /// Longest time until the first HTTP/2 bytes.
    pub(super) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }
}

impl Server {
    /// Longest time from the first to the last byte of a message.
    pub(super) fn message_timeout(&self) -> Duration {
        Duration::from_millis(self.message_timeout_ms)
    }

    /// Limits of one batch.
    #[must_use]
    pub fn batch(&self) -> validate::Limits {
        validate::Limits {
            strings_max: self.batch_strings_max,
            rows_max: self.batch_rows_max,
            records_max: self.batch_records_max,
            ahead_us_max: milliseconds_us(self.future_ms_max),
            age_us_max: seconds_us(self.age_s_max),
        }
    }
}

/// Refuses a certificate without its key, and client verification without TLS.
fn tls_conflicts(tls: &Tls) -> Vec<Conflict> {
    let conflict = |path: &'static str, message: &str| vec![(path, message.to_owned())];
    match (&tls.cert, &tls.key) {
        (Some(_), None) => conflict("tls.key", "tls.cert is set, and a certificate needs its key"),
        (None, Some(_)) => conflict("tls.cert", "tls.key is set, and a key needs its certificate"),
        (None, None) if tls.client_ca.is_some() => {
            conflict("tls.client_ca", "without tls.cert there is no TLS to verify clients in")
        }
        _ if tls.client_ca.is_none() && !tls.trust_domains.is_empty() => {
            conflict("tls.trust_domains", "without tls.client_ca no client presents a certificate")
        }
        _ => Vec::new(),
    }
}
