//! Durations: counts that give exact classic buckets and good quantiles.
//!
//! In: single durations, and folded ones as exponential histograms of any scale. Out: counts per bucket of [`BOUNDS_US`],
//! sum, maximum and quantiles. Always holds: the counts of all buckets add up to the number of durations. Single durations
//! stand exactly in their buckets, so that a quantile is off by at most 4.4 %; a folded one stands where the geometric middle
//! of its bucket lies, held within the smallest and largest duration of its row.

use super::buckets::{INDEX_MAX, Layout, SCALE, ZERO};
use super::cells::Cells;
use crate::checkpoint::keep::{Keep, Reader, Unreadable, Writer};
use crate::report::FoldedDurations;

pub use super::buckets::BOUNDS_US;

/// Many durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    count: u64,
    sum_us: u64,
    max_us: u64,
    cells: Cells,
}

impl Keep for Durations {
    fn save(&self, to: &mut Writer) {
        let Self { count, sum_us, max_us, cells } = self;
        (*count, (*sum_us, *max_us)).save(to);
        let cells: Vec<(usize, u64)> = cells.iter().collect();
        cells.save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let (count, (sum_us, max_us)) = Keep::load(from)?;
        let mut cells = Cells::default();
        for (position, count) in Vec::<(usize, u64)>::load(from)? {
            if position >= Layout::get().len() {
                return Err(from.broken("no such bucket"));
            }
            cells.add(position, count);
        }
        Ok(Self { count, sum_us, max_us, cells })
    }
}

impl Durations {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, duration_us: u64) {
        self.cells.add(Layout::get().position(duration_us), 1);
        self.count = self.count.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(duration_us);
        self.max_us = self.max_us.max(duration_us);
    }

    /// Counts the durations of a fold row.
    pub fn fold(&mut self, folded: &FoldedDurations) {
        if folded.zero_count > 0 {
            self.put(ZERO, folded.zero_count);
        }
        for (place, count) in
            (i64::from(folded.offset)..).zip(&folded.counts).filter(|(_, count)| **count > 0)
        {
            let middle = (place as f64 + 0.5) / f64::from(folded.scale).exp2();
            // A cast to an integer saturates, which is what is wanted of a bucket beyond all durations.
            let middle_us = (middle.exp2() as u64).clamp(folded.min_us, folded.max_us);
            self.put(rescaled(place, folded.scale, middle_us), *count);
        }
        self.sum_us = self.sum_us.saturating_add(folded.sum_us);
        self.max_us = self.max_us.max(folded.max_us);
    }

    /// Adds the durations of another.
    pub fn merge(&mut self, other: &Self) {
        for (position, count) in other.cells.iter() {
            self.cells.add(position, count);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, microseconds.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The largest, microseconds.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The bytes that it takes beside itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.cells.heap_bytes()
    }

    /// How many were at most each of [`BOUNDS_US`], in that order.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut cells = self.cells.iter().peekable();
        let sums = Layout::get().bounds().iter().scan(0_u64, move |sum, bound| {
            while let Some((_, count)) = cells.next_if(|(position, _)| position <= bound) {
                *sum = sum.saturating_add(count);
            }
            Some(*sum)
        });
        BOUNDS_US.into_iter().zip(sums)
    }

    /// The duration that the share `q` (0 to 1) of all durations does not exceed, microseconds; 0 without durations.
    ///
    /// Within its bucket the value is interpolated, on the logarithmic scale of the buckets.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> f64 {
        let rank = q.clamp(0.0, 1.0) * self.count as f64;
        let mut below = 0.0;
        for (position, count) in self.cells.iter() {
            let count = count as f64;
            if rank <= below + count {
                if position == ZERO {
                    return 0.0;
                }
                let (low, high) = Layout::get().log2_of(position);
                let within = ((rank - below) / count).max(0.0);
                return (low + (high - low) * within).exp2().min(self.max_us as f64);
            }
            below += count;
        }
        self.max_us as f64
    }

    fn put(&mut self, position: usize, count: u64) {
        self.cells.add(position, count);
        self.count = self.count.saturating_add(count);
    }
}

/// Where bucket `place` of `scale` stands: exact from a finer or equal scale, since buckets nest, but for the side of a
/// classic bound; from a coarser one, where its middle lies.
fn rescaled(place: i64, scale: i32, middle_us: u64) -> usize {
    if scale < SCALE {
        return Layout::get().position(middle_us);
    }
    let index = i32::try_from(place >> (scale - SCALE)).unwrap_or(if place < 0 { -1 } else { INDEX_MAX });
    Layout::get().position_in(index.clamp(-1, INDEX_MAX), middle_us)
}

#[cfg(test)]
mod tests {
    use super::Durations;
    use crate::report::FoldedDurations;
    use proptest::prelude::*;

    /// Durations in, cumulative counts at the bounds that changed and quantiles out.
    #[track_caller]
    fn check(durations_us: &[u64], expected: &str) {
        let mut durations = Durations::default();
        durations_us.iter().for_each(|duration_us| durations.record(*duration_us));
        let mut last = 0;
        let mut steps = Vec::new();
        for (bound_us, count) in durations.cumulative().filter(|(_, count)| *count > 0) {
            if count != last {
                steps.push(format!("{bound_us}:{count}"));
            }
            last = count;
        }
        let (p50, p99) = (durations.quantile_us(0.5), durations.quantile_us(0.99));
        let text = format!("{} p50={p50:.0} p99={p99:.0} max={}", steps.join(" "), durations.max_us());
        assert_eq!(text, expected);
    }

    #[test]
    fn bounds_belong_to_the_bucket_below() {
        check(&[], " p50=0 p99=0 max=0");
        check(&[0, 500, 501], "500:2 1000:3 p50=485 p99=501 max=501");
        check(&[1_000_000; 100], "1000000:100 p50=980586 p99=999608 max=1000000");
        check(&[4_000_000_000], " p50=4000000000 p99=4000000000 max=4000000000");
    }

    fn add_up(durations: &Durations) -> u64 {
        durations.cells.iter().map(|(_, count)| count).sum()
    }

    proptest! {
        #[test]
        fn no_count_is_lost_whatever_the_scale(
            scale in -10..=20_i32,
            offset: i32,
            zero_count in 0..1000_u64,
            counts in proptest::collection::vec(0..1000_u64, 0..320),
            (min_us, max_us) in (0..1_000_000_u64, 0..1_000_000_000_u64),
        ) {
            let max_us = max_us.max(min_us);
            let expected = counts.iter().sum::<u64>() + zero_count;
            let folded = FoldedDurations { sum_us: 7, min_us, max_us, scale, zero_count, offset, counts };
            let mut durations = Durations::default();
            durations.fold(&folded);
            prop_assert_eq!(durations.count(), expected);
            prop_assert_eq!(add_up(&durations), expected);
            prop_assert!(durations.quantile_us(1.0) <= max_us as f64);
        }

        #[test]
        fn merging_is_as_good_as_recording(
            left in proptest::collection::vec(0..10_000_000_000_u64, 0..50),
            right in proptest::collection::vec(0..10_000_000_000_u64, 0..50),
        ) {
            let record = |values: &[u64]| {
                let mut durations = Durations::default();
                values.iter().for_each(|value| durations.record(*value));
                durations
            };
            let mut merged = record(&left);
            merged.merge(&record(&right));
            let together = record(&[left, right].concat());
            prop_assert_eq!(merged.cumulative().collect::<Vec<_>>(), together.cumulative().collect::<Vec<_>>());
            prop_assert_eq!(add_up(&merged), add_up(&together));
            prop_assert_eq!(merged.quantile_us(0.5), together.quantile_us(0.5));
        }
    }
}
