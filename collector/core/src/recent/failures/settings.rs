//! Section `failures`.

use crate::section;

section! {
    /// The most recent failed requests and connections in full, for `hopscope tail` and `hopscope
    /// show`.
    "failures": Settings {
        /// Largest number of records of one edge. One more replaces the oldest of the edge. 0
        /// stores none.
        edge_records_max: usize = 16, { unit: "records", range: (0, 10_000), live: true };
        /// Largest number of records of all edges together. One more replaces the oldest.
        records_max: usize = 10_000, { unit: "records", range: (0, 1_000_000), live: true };
        /// Largest size of all records in memory. A record beyond it replaces the oldest.
        bytes_max: usize = 16 << 20, { unit: "bytes", range: (1 << 16, 1 << 34), live: true };
    }
}
