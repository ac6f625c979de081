//! Section `grpc`.

use super::section::section;

section! {
    /// What the gRPC door lets through.
    "grpc": Grpc {
        /// Largest report; a larger one is refused with `OUT_OF_RANGE`.
        message_bytes_max: usize = 4 << 20,
            { option: "message-bytes-max", unit: "bytes", range: (1024, 64 << 20), live: true };
        /// Reports at a time; one more is refused with `RESOURCE_EXHAUSTED`, and the filter keeps it.
        reports_in_flight_max: usize = 4_096,
            { option: "reports-in-flight-max", unit: "reports", range: (1, 65_536), live: true };
        /// Bytes of messages that are read and not yet handled; a message that finds no room is refused likewise.
        bytes_in_flight_max: u64 = 256 << 20,
            { option: "bytes-in-flight-max", unit: "bytes", range: (1 << 16, 1 << 40), live: true };
        /// Messages a second, with a burst of one second's worth; one more is refused likewise, and an access log is read
        /// more slowly.
        reports_per_second_max: u64 = 1_000_000,
            { option: "reports-per-second-max", unit: "messages/s", range: (1, 1_000_000_000), live: true };
        /// Streams without end (access logs, health watches); one more is refused likewise.
        long_streams_max: u64 = 16_384,
            { option: "long-streams-max", unit: "streams", range: (1, 1_000_000), live: true };
        /// How long a message may take to arrive once it has begun; then it is refused likewise.
        message_timeout_ms: u64 = 5_000,
            { option: "message-timeout-ms", unit: "ms", range: (10, 600_000), live: true };
        /// Entries in the string table of one report; a report with more is refused.
        batch_strings_max: usize = 65_536, { unit: "strings", range: (1, 1 << 20), live: true };
        /// Rows of edges, of outcomes and of folds in one report, each; likewise.
        batch_rows_max: usize = 16_384, { unit: "rows", range: (1, 1 << 20), live: true };
        /// Single records in one report; likewise.
        batch_records_max: usize = 262_144, { unit: "records", range: (1, 1 << 22), live: true };
        /// How far a request may lie ahead of the collector's clock; a report that is further ahead is refused.
        future_ms_max: u64 = 600_000, { unit: "ms", range: (0, 86_400_000), live: true };
        /// How long ago a request may have ended; a report of older ones is refused.
        age_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
    }
}
