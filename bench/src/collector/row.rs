//! What a run took.

use serde::Serialize;
use std::fmt;

/// One line of the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) records_per_s: f64,
    pub(crate) records_per_s_per_core: f64,
    pub(crate) messages_per_s_per_core: f64,
    /// At half of the load that it took.
    pub(crate) ack_p50_ms: f64,
    pub(crate) ack_p99_ms: f64,
    pub(crate) edges: u64,
    /// Memory of an edge as both sides tell it: its series with their histograms, its hops with the gap, its names.
    pub(crate) bytes_per_series: f64,
    pub(crate) bytes_per_open_hop: Option<f64>,
    pub(crate) open_hops: u64,
    /// Records that were acknowledged and are in no count; the collector has none, or its run fails.
    pub(crate) uncounted: u64,
    pub(crate) wire_bytes_per_record: f64,
    pub(crate) memory_bytes: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} records/s, {:.0} records/s/core, {:.0} messages/s/core; at half load ack p50 {:.2} ms p99 {:.2} ms; \
             {} edges of {:.0} bytes, {} open hops of {:.1} bytes; {} MB; {:.1} bytes a record on the wire",
            self.records_per_s,
            self.records_per_s_per_core,
            self.messages_per_s_per_core,
            self.ack_p50_ms,
            self.ack_p99_ms,
            self.edges,
            self.bytes_per_series,
            self.open_hops,
            self.bytes_per_open_hop.unwrap_or(0.0),
            self.memory_bytes >> 20,
            self.wire_bytes_per_record,
        )
    }
}
