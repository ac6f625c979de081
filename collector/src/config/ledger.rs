//! Section `ledger`.

use super::section::section;

section! {
    /// The books: one per filter VM.
    "ledger": Ledger {
        /// Open books; a proxy that needs one more is asked to come back later.
        epochs_max: usize = 100_000,
            { option: "epochs-max", unit: "books", range: (1, 10_000_000), live: true };
        /// A book without a report for so long is closed; no less than `grpc.age_s_max`, or a late repeat counts twice.
        silent_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
    }
}
