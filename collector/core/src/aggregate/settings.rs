//! Section `aggregate`.

use crate::section;
use crate::settings::seconds_us;

section! {
    /// Counters and histograms of requests, connections and streams.
    "aggregate": Settings {
        /// Largest number of series with labels of their own. Requests of further series are
        /// counted in an overflow series. A smaller number removes no series; it only admits no
        /// further ones.
        series_max: usize = 100_000,
            { option: "series-max", unit: "series", range: (1, 10_000_000), live: true };
        /// Largest number of series for each namespace of the reporting proxies. Requests of
        /// further series are counted in an overflow series of the namespace, of which there are at
        /// most 1,000. Unset: no limit per namespace.
        namespace_series_max: Option<usize> = None,
            { option: "namespace-series-max", unit: "series", range: (1, 10_000_000), live: true };
        /// A series without requests for this long is removed; its counts stay in a sum.
        idle_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
    }
}

impl Settings {
    /// Time without requests after which a series is removed, in microseconds.
    pub(super) fn idle_us_max(&self) -> u64 {
        seconds_us(self.idle_s_max)
    }
}
