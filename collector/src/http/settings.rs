//! Section `http`.

use hopscope_core::section;

section! {
    /// Answers of the HTTP server.
    "http": Settings {
        /// Whether `/metrics` in OpenMetrics has a sample `_created` for each series. Prometheus
        /// stores them as series of their own, unless feature `created-timestamp-zero-ingestion` is
        /// enabled. The protobuf format always has the times, in a field of each sample.
        created_samples: bool = false;
        /// Whether `/metrics` and the JSON API are compressed with gzip for clients that accept it.
        compression: bool = true;
    }
}
