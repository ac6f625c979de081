//! Section `failures`.

use super::section::section;

section! {
    /// The last failed requests and connections, kept in full for `hopscope tail` and `hopscope show`.
    "failures": Failures {
        /// Of each edge; one more takes the place of the oldest. 0 keeps none.
        edge_records_max: usize = 16,
            { option: "failures-edge-max", unit: "records", range: (0, 10_000), live: true };
        /// Of all edges together; likewise.
        records_max: usize = 10_000,
            { option: "failures-max", unit: "records", range: (0, 1_000_000), live: true };
        /// What they may take; likewise.
        bytes_max: usize = 16 << 20, { unit: "bytes", range: (1 << 16, 1 << 34), live: true };
    }
}
