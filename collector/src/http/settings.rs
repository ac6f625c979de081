//! Section `http`.

use crate::listener::permits::Limits;
use hopscope_core::section;
use std::time::Duration;

section! {
    /// The HTTP server: its limits and its answers. The server has a thread of its own, so that
    /// `/healthz` answers whatever the collector does.
    "http": Settings {
        /// Largest number of connections. One more is closed immediately.
        connections_max: u64 = 512, { unit: "connections", range: (1, 1_000_000) };
        /// Longest time until the head of a request is complete, from the end of the request before
        /// it. After that the connection is closed.
        head_timeout_ms: u64 = 15_000, { unit: "ms", range: (100, 3_600_000) };
        /// Longest time in which a client reads nothing of an answer. After that the connection is
        /// closed.
        write_timeout_ms: u64 = 5_000, { unit: "ms", range: (100, 3_600_000) };
        /// Longest time of one answer. After that the connection is closed, however fast its client
        /// reads.
        answer_timeout_ms: u64 = 30_000, { unit: "ms", range: (100, 3_600_000) };
        /// Largest number of answers to `/metrics` at a time. One more is refused with 503 after a
        /// second.
        scrapes_max: usize = 4, { unit: "answers", range: (1, 256) };
        /// Host names by which clients may address the collector, separated by commas, as a
        /// protection against DNS rebinding: a page in a browser could read telemetry through a
        /// name of its own. `*.NAME` allows all names below NAME. IP addresses, `localhost` and
        /// names of a single label are always allowed. Another name is refused with 421.
        hosts: String = "*.svc,*.svc.cluster.local".to_owned();
        /// Whether `/metrics` in OpenMetrics has a sample `_created` for each series. Prometheus
        /// stores them as series of their own, unless feature `created-timestamp-zero-ingestion` is
        /// enabled. The protobuf format always has the times, in a field of each sample.
        created_samples: bool = false;
        /// Whether `/metrics` and the JSON API are compressed with gzip for clients that accept it.
        compression: bool = true;
    }
}

impl Settings {
    /// Limits of the listener.
    pub(super) fn limits(&self) -> Limits {
        Limits { max: self.connections_max, address_max: self.connections_max }
    }

    /// Longest time until the head of a request is complete.
    pub(super) fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    /// Longest time without a byte that a client reads.
    pub(super) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    /// Longest time of one answer.
    pub(super) fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_timeout_ms)
    }
}
