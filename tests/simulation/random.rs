//! Random choices of one run.
//!
//! Invariant: the same seed gives the same choices.

use hopscope_mesh::random::SplitMix64;

/// The source of all random choices.
#[derive(Debug)]
pub(crate) struct Random(SplitMix64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True in `of_100` of 100 cases.
    pub(crate) fn percent(&mut self, of_100: u64) -> bool {
        self.next() % 100 < of_100
    }
}
