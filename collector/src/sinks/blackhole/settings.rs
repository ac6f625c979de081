//! Section `sink_blackhole`.

use hopscope_core::section;

section! {
    /// Sink that discards all samples, to measure the cost of a sink.
    "sink_blackhole": Settings {
        /// Whether the sink runs.
        enabled: bool = false;
        /// Time from one cut to the next one.
        interval_s: u64 = 15, { unit: "s", range: (1, 3_600) };
    }
}
