//! Histogram of durations, such as those of hops and connections.
//!
//! In: single durations, and folded ones as exponential histograms of any scale.
//! Out: a [`Histogram`].
//! Invariant: counts are exact; single durations are in exact buckets.
//!
//! A folded bucket is counted in the bucket that contains it, if one exists, so that folding loses
//! no precision. When the row is finer, the folded bucket is counted at its geometric mean, limited
//! to the smallest and largest duration of the fold row.

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
        let position = Layout::durations().position(duration_us);
        self.rows.add(0, Layout::durations(), |scale| position.at(scale), 1);
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
        let middle = (index as f64 + 0.5) / f64::from(folded.scale).exp2();
        // The cast saturates, as intended for a bucket above all durations.
        let middle_us = (middle.exp2() as u64).clamp(folded.min_us, folded.max_us);
        let at = |scale: u8| match u32::try_from(folded.scale - i32::from(scale)) {
            Ok(finer) => layout.within(index >> finer, scale, middle_us),
            Err(_) => layout.position(middle_us).at(scale),
        };
        rows.add(0, layout, at, *count);
    }
}

#[cfg(test)]
mod tests;
