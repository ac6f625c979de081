//! Section `detect`.

use crate::section;

section! {
    /// Detectors: rules that check each edge and report findings. Each detector has a section of
    /// its own.
    "detect": Limits {
        /// Largest number of edges that the enabled detectors check at each tick, four times per
        /// second. More edges take more ticks.
        edges_per_tick_max: usize = 256, { unit: "edges", range: (1, 65_536), live: true };
        /// Largest number of findings. Further ones are dropped, and a metric counts them.
        findings_max: usize = 1_000, { unit: "findings", range: (0, 100_000), live: true };
    }
}
