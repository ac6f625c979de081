//! Durations, counted twice: in the buckets that dashboards know, and in fine ones that give good quantiles.
//!
//! In: single durations, and folded ones as exponential histograms of any scale. Out: counts per bucket of [`BOUNDS_US`],
//! sum, maximum and quantiles. Always holds: the classic counts and the fine counts each add up to the number of
//! durations. Single durations stand exactly in their buckets; a folded one stands where the geometric middle of its
//! bucket lies, held within the smallest and largest duration of its row.

use crate::checkpoint::keep::keep;
use crate::report::FoldedDurations;

/// Upper bounds of the classic buckets, microseconds: Envoy's defaults, which Istio leaves as they are
/// (`source/common/stats/histogram_impl.cc`). Longer durations are counted above the last.
pub const BOUNDS_US: [u64; 19] = [
    500,
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
];

/// Fine buckets an octave: a quantile is off by at most 4.4 %.
const PER_OCTAVE: f64 = 8.0;
/// The scale of the fine buckets, as OpenTelemetry counts it.
const SCALE: i32 = 3;
/// Fine buckets hold durations up to 2^40 microseconds, above the 7 days that the check lets through.
const INDEX_MAX: i32 = 40 * 8;

/// Many durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    count: u64,
    sum_us: u64,
    max_us: u64,
    /// Per classic bucket, not cumulated; the last is what lies above all bounds.
    classic: [u64; BOUNDS_US.len() + 1],
    /// Durations under a microsecond.
    zero: u64,
    /// Fine bucket of `fine[0]`.
    offset: i32,
    fine: Vec<u64>,
}

keep!(struct Durations { count, sum_us, max_us, classic, zero, offset, fine });

impl Durations {
    /// Counts one duration.
    pub fn record(&mut self, duration_us: u64) {
        self.put(duration_us, 1);
        match fine_index(duration_us) {
            None => self.zero = self.zero.saturating_add(1),
            Some(index) => self.put_fine(index, 1),
        }
        self.count = self.count.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(duration_us);
        self.max_us = self.max_us.max(duration_us);
    }

    /// Counts the durations of a fold row.
    pub fn fold(&mut self, folded: &FoldedDurations) {
        self.put(folded.min_us.min(1), folded.zero_count);
        self.zero = self.zero.saturating_add(folded.zero_count);
        self.count = self.count.saturating_add(folded.zero_count);
        for (place, count) in
            (i64::from(folded.offset)..).zip(&folded.counts).filter(|(_, count)| **count > 0)
        {
            let middle = (place as f64 + 0.5) / f64::from(folded.scale).exp2();
            // A cast to an integer saturates, which is what is wanted of a bucket beyond all durations.
            let middle_us = (middle.exp2() as u64).clamp(folded.min_us, folded.max_us);
            self.put(middle_us, *count);
            self.put_fine(rescaled(place, folded.scale, middle_us), *count);
            self.count = self.count.saturating_add(*count);
        }
        self.sum_us = self.sum_us.saturating_add(folded.sum_us);
        self.max_us = self.max_us.max(folded.max_us);
    }

    /// Adds the durations of another.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.classic.iter_mut().zip(&other.classic) {
            *mine = mine.saturating_add(*theirs);
        }
        for (index, count) in (other.offset..).zip(&other.fine).filter(|(_, count)| **count > 0) {
            self.put_fine(index, *count);
        }
        self.zero = self.zero.saturating_add(other.zero);
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

    /// How many were at most each of [`BOUNDS_US`], in that order.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let sums = self.classic.iter().scan(0_u64, |sum, count| {
            *sum = sum.saturating_add(*count);
            Some(*sum)
        });
        BOUNDS_US.into_iter().zip(sums)
    }

    /// The duration that the share `q` (0 to 1) of all durations does not exceed, microseconds; 0 without durations.
    ///
    /// Within its fine bucket the value is interpolated, on the logarithmic scale of the buckets.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> f64 {
        let rank = q.clamp(0.0, 1.0) * self.count as f64;
        let mut below = self.zero as f64;
        if self.count == 0 || rank <= below {
            return 0.0;
        }
        for (index, count) in (self.offset..).zip(&self.fine) {
            let count = *count as f64;
            if count > 0.0 && rank <= below + count {
                let within = (rank - below) / count;
                let value = ((f64::from(index) + within) / PER_OCTAVE).exp2();
                return value.min(self.max_us as f64);
            }
            below += count;
        }
        self.max_us as f64
    }

    fn put(&mut self, duration_us: u64, count: u64) {
        let place = BOUNDS_US.partition_point(|bound| *bound < duration_us);
        if let Some(bucket) = self.classic.get_mut(place) {
            *bucket = bucket.saturating_add(count);
        }
    }

    fn put_fine(&mut self, index: i32, count: u64) {
        let index = index.clamp(-1, INDEX_MAX);
        if self.fine.is_empty() {
            self.offset = index;
        }
        if index < self.offset {
            let missing = usize::try_from(self.offset - index).unwrap_or(0);
            self.fine.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = index;
        }
        let place = usize::try_from(index - self.offset).unwrap_or(0);
        if place >= self.fine.len() {
            self.fine.resize(place + 1, 0);
        }
        if let Some(bucket) = self.fine.get_mut(place) {
            *bucket = bucket.saturating_add(count);
        }
    }
}

/// The fine bucket `i` with `2^(i/8) < value <= 2^((i+1)/8)`, or `None` for 0.
fn fine_index(value_us: u64) -> Option<i32> {
    let octave = i32::try_from(value_us.checked_ilog2()?).ok()?;
    if value_us.is_power_of_two() {
        // The logarithm of a power of two is a bound, and a bound belongs to the bucket below it.
        return Some(octave * 8 - 1);
    }
    Some(((value_us as f64).log2() * PER_OCTAVE) as i32)
}

/// The fine bucket for bucket `place` of `scale`: exact from a finer or equal scale, since buckets nest; from a coarser
/// one, where its middle lies.
fn rescaled(place: i64, scale: i32, middle_us: u64) -> i32 {
    if scale >= SCALE {
        i32::try_from(place >> (scale - SCALE)).unwrap_or(if place < 0 { -1 } else { INDEX_MAX })
    } else {
        fine_index(middle_us).unwrap_or(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS_US, Durations, fine_index};
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
        check(&[0, 500, 501], "500:2 1000:3 p50=480 p99=501 max=501");
        check(&[1_000_000; 100], "1000000:100 p50=1000000 p99=1000000 max=1000000");
        check(&[4_000_000_000], " p50=4000000000 p99=4000000000 max=4000000000");
    }

    #[test]
    fn every_value_lies_within_its_fine_bucket() {
        for value in (1..3_000).chain((0..40).flat_map(|e| [(1 << e) - 1, 1 << e, (1 << e) + 1])) {
            let Some(index) = fine_index(value) else { continue };
            let (low, high) = ((f64::from(index) / 8.0).exp2(), (f64::from(index + 1) / 8.0).exp2());
            let value = value as f64;
            assert!(low * (1.0 - 1e-9) < value && value <= high * (1.0 + 1e-9), "{value}: ({low}, {high}]");
        }
    }

    fn add_up(durations: &Durations) -> (u64, u64) {
        (durations.classic.iter().sum(), durations.fine.iter().sum::<u64>() + durations.zero)
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
            prop_assert_eq!(add_up(&durations), (expected, expected));
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

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS_US.is_sorted());
    }
}
