//! Conversion to Prometheus native histograms: base-2 exponential buckets of a unit.
//!
//! In: a histogram, and the number of its values per unit.
//! Out: buckets by index.
//! Invariant: the counts add up to the number of values; sizes are in exact buckets.
//!
//! Durations are counted in buckets of microseconds. One million is not a power of two, so that
//! each of these buckets overlaps two buckets of seconds; its count goes to the bucket of its
//! middle. The error of a quantile is the width of a bucket, as with any native histogram, plus up
//! to 0.004 of the value at scales 5 and 4, and 0.05 at coarser ones.
//!
//! Source: Prometheus native histograms: bucket i of schema s holds values above 2^((i-1)/2^s) and
//! at most 2^(i/2^s).

use super::buckets::ZERO;
use super::view::Histogram;

/// Native histogram.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Native {
    /// Resolution: 2^schema buckets per octave.
    pub schema: i32,
    /// Number of zero values.
    pub zero_count: u64,
    /// Index and count of each non-empty bucket, in the order of the indexes.
    pub buckets: Vec<(i32, u64)>,
}

impl Histogram<'_> {
    /// Converts to native buckets. `unit` is the divisor of a value, 1 or more.
    #[must_use]
    pub fn native(&self, unit: f64) -> Native {
        let scale = self.row.scale();
        // Number of buckets between the unit and 1, to the middle of a bucket; the cast saturates.
        let shift = (0.5 - unit.max(1.0).log2() * f64::from(1_u32 << scale)).floor() as i32 + 1;
        let mut native = Native { schema: scale.into(), ..Native::default() };
        for (index, count) in self.layout.indexed(scale, self.row.iter()) {
            let Some(index) = index else {
                native.zero_count = native.zero_count.saturating_add(count);
                continue;
            };
            let index = index + shift;
            match native.buckets.last_mut().filter(|(last, _)| *last == index) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => native.buckets.push((index, count)),
            }
        }
        native
    }
}

impl super::buckets::Layout {
    /// Converts positions of a scale, in rising order, to bucket indexes of an exponential
    /// histogram: `None` for zero, and the same index for both parts of a bucket that a classic
    /// bound splits.
    fn indexed(
        &self,
        scale: u8,
        positions: impl Iterator<Item = (usize, u64)>,
    ) -> impl Iterator<Item = (Option<i32>, u64)> {
        let mut passed = 0;
        positions.map(move |(position, count)| {
            if position == ZERO {
                return (None, count);
            }
            while self.split_at(passed, scale).is_some_and(|at| at < position) {
                passed += 1;
            }
            let index = i32::try_from(position).unwrap_or(i32::MAX) - 2 - i32::try_from(passed).unwrap_or(0);
            (Some(index), count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Native;
    use crate::histogram::durations::Durations;
    use crate::histogram::{RequestStats, RequestValues};
    use proptest::prelude::*;

    /// Compares the native histogram of durations in microseconds: schema, zeros, and for each
    /// bucket its index, upper bound in milliseconds and count.
    #[track_caller]
    fn check(durations: &[u64], expected: &str) {
        let mut all = Durations::default();
        durations.iter().for_each(|duration| all.record(*duration));
        let Native { schema, zero_count, buckets } = all.histogram().native(1_000_000.0);
        let mut text = format!("{schema} {zero_count}");
        for (index, count) in buckets {
            let upper_ms = 1_000.0 * (f64::from(index) / f64::from(1 << schema)).exp2();
            text += &format!(" {index}:{upper_ms:.3}={count}");
        }
        assert_eq!(text, expected);
    }

    #[test]
    fn durations_are_converted_to_seconds() {
        check(&[], "5 0");
        check(&[1_000_000, 1_010_000], "5 0 0:1000.000=1 1:1021.897=1");
        // With zero, the row is long and therefore coarse: here a bucket of 882 to 1,049 ms.
        check(&[0, 0, 1_000_000, 1_010_000], "2 2 0:1000.000=2");
        // 500 µs is a classic bound within a bucket.
        check(&[499, 501, 501], "5 0 -351:0.499=3");
        check(&[1, 3_600_000_000], "2 0 -80:0.001=1 47:3444311.717=1");
    }

    proptest! {
        #[test]
        fn sizes_are_in_exact_buckets(sizes in proptest::collection::vec(0..1_u64 << 39, 1..60)) {
            let mut stats = RequestStats::default();
            for size in &sizes {
                stats.record(RequestValues { request_bytes: *size, ..RequestValues::default() });
            }
            let native = stats.request_sizes().native(1.0);
            let index = |size: u64| ((size as f64).log2() * f64::from(1_u32 << native.schema)).ceil() as i32;
            let zeros = sizes.iter().filter(|size| **size == 0).count() as u64;
            prop_assert_eq!(native.zero_count, zeros);
            for (bucket, count) in &native.buckets {
                let here = sizes.iter().filter(|size| **size > 0 && index(**size) == *bucket).count() as u64;
                prop_assert_eq!(here, *count);
            }
            let all: u64 = native.buckets.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(all + native.zero_count, sizes.len() as u64);
            prop_assert!(native.buckets.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}
