//! Durations on their own: of hops, of connections.
//!
//! In: single durations, and folded ones as exponential histograms of any scale. Out: a [`Histogram`]. Always holds: counts are
//! exact; single durations stand exactly in their buckets. A folded one stands in the bucket that holds all of its own, where
//! there is one, so that nothing is lost by folding; where the row is finer, in that of the geometric middle of its own, held
//! within the smallest and largest duration of its fold row.

use super::buckets::Layout;
use super::cells::Rows;
use super::snapshot::{load, save};
use super::view::{Histogram, Tally};
use crate::batch::FoldedDurations;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};

pub use super::buckets::BOUNDS_US;

/// Many durations.
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
        let fine = Layout::durations().fine(duration_us);
        self.rows.add(0, Layout::durations(), |scale| fine.at(scale), 1);
        self.tally.add(Tally { sum: duration_us, max: duration_us });
    }

    /// Counts the durations of a fold row.
    pub fn fold(&mut self, folded: &FoldedDurations) {
        fold(&mut self.tally, &mut self.rows, folded);
    }

    /// Adds the durations of another.
    pub fn merge(&mut self, other: &Self) {
        self.tally.add(other.tally);
        self.rows.merge(&other.rows, [Layout::durations()]);
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.rows.row(0).count()
    }

    /// All that is to be read of them, microseconds.
    #[must_use]
    pub fn histogram(&self) -> Histogram<'_> {
        Histogram::new(Layout::durations(), self.rows.row(0), self.tally)
    }

    /// Something that depends on the memory of the counters having arrived.
    #[inline]
    pub(crate) fn touch(&self) -> u8 {
        self.rows.touch()
    }
}

/// Counts the durations of a fold row, in the first row.
pub(super) fn fold<const N: usize>(tally: &mut Tally, rows: &mut Rows<N>, folded: &FoldedDurations) {
    let layout = Layout::durations();
    tally.add(Tally { sum: folded.sum_us, max: folded.max_us });
    rows.begin(0, folded.scale);
    if folded.zero_count > 0 {
        rows.add(0, layout, |scale| layout.fine(0).at(scale), folded.zero_count);
    }
    for (place, count) in (i64::from(folded.offset)..).zip(&folded.counts).filter(|(_, count)| **count > 0) {
        let middle = (place as f64 + 0.5) / f64::from(folded.scale).exp2();
        // A cast to an integer saturates, which is what is wanted of a bucket beyond all durations.
        let middle_us = (middle.exp2() as u64).clamp(folded.min_us, folded.max_us);
        let at = |scale: u8| match u32::try_from(folded.scale - i32::from(scale)) {
            Ok(finer) => layout.within(place >> finer, scale, middle_us),
            Err(_) => layout.fine(middle_us).at(scale),
        };
        rows.add(0, layout, at, *count);
    }
}

#[cfg(test)]
mod tests;
