//! Section `aggregate`.

use super::section::section;

section! {
    /// Counters and histograms.
    "aggregate": Aggregate {
        /// Series with labels of their own; what is more is counted in an overflow series. A smaller number takes no
        /// series away, it only lets no more come.
        series_max: usize = 100_000,
            { option: "series-max", unit: "series", range: (1, 10_000_000), live: true };
        /// The same for each namespace, of the proxies that tell of them; what is more is counted in an overflow series of
        /// that namespace, of which there are at most 1,000. Not set: no bound of its own.
        namespace_series_max: Option<usize> = None,
            { option: "namespace-series-max", unit: "series", range: (1, 10_000_000), live: true };
        /// A series without requests for so long is taken out; what it counted stays in a sum.
        idle_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
    }
}
