//! Section `connections`.

use super::section::section;

section! {
    /// What one connection of the gRPC door may use, and how many there may be. What a reload changes holds for the
    /// connections that come after it.
    "connections": Connections {
        /// Connections at a time; one more is closed at once.
        max: u64 = 16_384, { unit: "connections", range: (1, 1_000_000), live: true };
        /// Connections at a time from one address; likewise.
        address_max: u64 = 1_024,
            { option: "address-connections-max", unit: "connections", range: (1, 1_000_000), live: true };
        /// HTTP/2 streams at a time on one connection. The client is told, and one more is reset.
        streams_max: u64 = 256, { option: "connection-streams-max", unit: "streams", range: (1, 65_536) };
        /// Reports at a time on one connection; one more is refused with `RESOURCE_EXHAUSTED`, and the filter keeps it.
        reports_in_flight_max: u64 = 256,
            { option: "connection-reports-in-flight-max", unit: "reports", range: (1, 65_536), live: true };
        /// Bytes of messages of one connection that are read and not yet handled; likewise.
        bytes_in_flight_max: u64 = 16 << 20,
            { option: "connection-bytes-in-flight-max", unit: "bytes", range: (1 << 10, 1 << 40), live: true };
        /// Messages a second on one connection, with a burst of one second's worth; one more is refused likewise, and an
        /// access log is read more slowly.
        reports_per_second_max: u64 = 50_000,
            { option: "connection-reports-per-second-max", unit: "messages/s", range: (1, 1_000_000_000), live: true };
        /// Streams without end (access logs, health watches) on one connection; one more is refused likewise.
        long_streams_max: u64 = 16,
            { option: "connection-long-streams-max", unit: "streams", range: (1, 65_536), live: true };
        /// How long a connection may take to its first HTTP/2 bytes, the TLS handshake included; then it is closed.
        handshake_timeout_ms: u64 = 5_000,
            { option: "handshake-timeout-ms", unit: "ms", range: (10, 600_000), live: true };
        /// Largest head of a call; a call with a larger one fails.
        header_bytes_max: u64 = 16_384, { option: "header-bytes-max", unit: "bytes", range: (1_024, 1 << 20) };
        /// How often a client is pinged.
        keepalive_interval_ms: u64 = 20_000,
            { option: "keepalive-interval-ms", unit: "ms", range: (100, 3_600_000) };
        /// How long it may take to answer; then its connection is closed.
        keepalive_timeout_ms: u64 = 20_000,
            { option: "keepalive-timeout-ms", unit: "ms", range: (100, 3_600_000) };
    }
}
