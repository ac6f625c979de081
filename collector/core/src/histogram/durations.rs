//! Histogram of durations, such as those of hops and connections.
//!
//! In: single durations, and folded ones as exponential histograms of any scale.
//! Out: a [`Histogram`].
//! Invariant: counts are exact; single durations are in exact buckets.
//!
//! Folded buckets are octaves of a microsecond, which are no octaves of a second. A folded bucket is
//! counted as durations of its geometric mean, limited to the smallest and largest duration of the
//! fold row: the error of a folded duration is at most half of the width of its bucket.

use super::buckets::Layout;
use super::cells::Rows;
use super::folded::FoldedDurations;
use super::snapshot::{load, save};
use super::view::{Histogram, Tally};
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};

pub use super::buckets::BOUNDS_US;

/// Histogram of durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    tally: Tally,
    rows: Rows<1>,
}

impl SnapshotValue for Durations {
    fn save(&self, to: &mut Writer) {
        self.tally.save(to);
        save(&self.rows, to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Self { tally: SnapshotValue::load(from)?, rows: load(from, [Layout::durations()])? })
    }
}

impl Durations {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, duration_us: u64) {
        let layout = Layout::durations();
        let position = layout.duration(duration_us);
        self.rows.add(0, layout, |scale| position.at(scale), 1);
        self.tally.add(Tally { sum: duration_us, max: duration_us });
    }

    /// Counts folded durations.
    pub fn fold(&mut self, folded: &FoldedDurations) {
        fold(&mut self.tally, &mut self.rows, folded);
    }

    /// Adds the durations of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.tally.add(other.tally);
        self.rows.merge(&other.rows, [Layout::durations()]);
    }

    /// Returns the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.rows.row(0).count()
    }

    /// Returns the histogram, in microseconds.
    #[must_use]
    pub fn histogram(&self) -> Histogram<'_> {
        Histogram::new(Layout::durations(), self.rows.row(0), self.tally)
    }

    /// Returns a value that depends on the loaded memory of the counters, which forces the load.
    #[inline]
    pub(crate) fn touch(&self) -> u8 {
        self.rows.touch()
    }
}

/// Counts folded durations in the first row.
pub(super) fn fold<const N: usize>(tally: &mut Tally, rows: &mut Rows<N>, folded: &FoldedDurations) {
    let layout = Layout::durations();
    tally.add(Tally { sum: folded.sum_us, max: folded.max_us });
    rows.begin(0, folded.scale);
    if folded.zero_count > 0 {
        rows.add(0, layout, |scale| layout.position(0).at(scale), folded.zero_count);
    }
    for (index, count) in (i64::from(folded.offset)..).zip(&folded.counts).filter(|(_, count)| **count > 0) {
        let position = layout.duration(middle_us(index, folded));
        rows.add(0, layout, |scale| position.at(scale), *count);
    }
}

/// Duration that represents a folded bucket: a whole number of microseconds in the bucket, near its
/// geometric mean.
fn middle_us(index: i64, folded: &FoldedDurations) -> u64 {
    let edge = |index: f64| (index / f64::from(folded.scale).exp2()).exp2();
    let (low, high) = (edge(index as f64), edge(index as f64 + 1.0));
    // The casts saturate, as intended for a bucket above all durations.
    let first = (low.floor() as u64).saturating_add(1);
    let last = (high.floor() as u64).max(first);
    // The product of two edges may overflow, the product of their roots does not.
    let middle = (low.sqrt() * high.sqrt()).round() as u64;
    middle.clamp(first, last).clamp(folded.min_us, folded.max_us.max(folded.min_us))
}

#[cfg(test)]
mod tests;
