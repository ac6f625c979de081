//! Runs the detectors.

use super::Engine;
use crate::detect::Stages;

impl Engine {
    /// Checks the next edges. Findings change with ticks only, so that a replay reaches them again.
    pub(super) fn run_detectors(&mut self, now_us: u64) {
        let Self { detect, edges, windows, aggregate, join, in_flight, .. } = self;
        detect.tick(Stages { edges, windows, aggregate, join, in_flight }, now_us);
    }
}
