//! Section `join`, and its durations in microseconds.

use super::packed_record;
use crate::section;
use crate::settings::{milliseconds_us, seconds_us};

section! {
    /// The join of the source's and the destination's record of each request.
    "join": Settings {
        /// Whether records are joined. Without the join there are no hops and no verdicts, and a
        /// request costs the collector about half.
        enabled: bool = true, { option: "join" };
        /// Largest number of records that wait for the record of the other side, 46 bytes each. One
        /// more replaces one of the oldest. Twice the requests per second that end in the mesh is
        /// enough.
        pending_max: usize = 1_000_000, { unit: "records", range: (1_000, 100_000_000) };
        /// Longest time that a record waits for the record of the other side. After a loss on the
        /// request path the other side may report up to 7 s later.
        window_ms: u64 = 15_000, { unit: "ms", range: (1_000, 600_000), live: true };
        /// Time that two records with the same request id and different outcomes wait for records
        /// that match better.
        pairing_delay_ms: u64 = 3_000, { unit: "ms", range: (0, 60_000), live: true };
        /// Time by which the destination's interval may exceed the source's, beyond the known clock
        /// skew of the two proxies.
        clock_tolerance_ms: u64 = 100, { unit: "ms", range: (0, 10_000), live: true };
        /// Largest number of edges whose hops have labels of their own. Hops of further edges are
        /// counted in an overflow series. A smaller number removes no edge; it only admits no
        /// further ones.
        edges_max: usize = 100_000, { unit: "edges", range: (1, 16_777_215), live: true };
        /// An edge without requests for this long is removed; its counts stay in a sum.
        idle_s_max: u64 = 86_400, { unit: "s", range: (3_600, 2_592_000), live: true };
    }
}

impl Settings {
    /// Longest time that a record waits for the other side, in microseconds.
    #[inline]
    pub(super) fn window_us(&self) -> u64 {
        milliseconds_us(self.window_ms)
    }

    /// Longest time that a record waits for the other side, in ticks of its deadline.
    pub(super) fn window_ticks(&self) -> u16 {
        u16::try_from(self.window_us() / packed_record::TICK_US).unwrap_or(u16::MAX).saturating_add(1)
    }

    /// Longest time that a record waits after its deadline was advanced and restored, in
    /// microseconds.
    pub(super) fn wait_us_max(&self) -> u64 {
        self.window_us().saturating_add(self.window_us() / u64::from(packed_record::PARTS))
    }

    /// Time that two records with different outcomes wait for better matches, in microseconds.
    #[inline]
    pub(super) fn pairing_delay_us(&self) -> u64 {
        milliseconds_us(self.pairing_delay_ms)
    }

    /// Tolerated difference of two intervals beyond the clock skew, in microseconds.
    #[inline]
    pub(super) fn clock_tolerance_us(&self) -> i64 {
        i64::try_from(milliseconds_us(self.clock_tolerance_ms)).unwrap_or(i64::MAX)
    }

    /// Time without requests after which an edge is removed, in microseconds.
    pub(super) fn idle_us_max(&self) -> u64 {
        seconds_us(self.idle_s_max)
    }

    /// Largest number of edges that a packed record can number.
    pub(super) fn edges_max(&self) -> usize {
        self.edges_max.min(packed_record::EDGES_MAX)
    }
}
