//! Conversion to Prometheus native histograms: base-2 exponential buckets of seconds or bytes.
//!
//! In: a histogram. Out: buckets by index. Invariant: the counts add up to the number of values. A
//! bucket of a coarser scale consists of whole buckets of a finer one, so that a change of the
//! scale is no counter reset to Prometheus, which merges buckets before it compares their counts.
//!
//! Source: Prometheus native histograms: bucket i of schema s holds values above 2^((i-1)/2^s) and
//! at most 2^(i/2^s); `FloatHistogram.DetectReset` of `model/histogram/float_histogram.go`.

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

impl Native {
    /// Adds the values of another histogram; the result has the coarser schema of both.
    pub fn add(&mut self, other: &Self) {
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        let schema = self.schema.min(other.schema);
        let (mut left, mut right) = (self.at(schema).peekable(), other.at(schema).peekable());
        let mut buckets: Vec<(i32, u64)> = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        loop {
            let is_left = match (left.peek(), right.peek()) {
                (Some((one, _)), Some((other, _))) => one <= other,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let Some((index, count)) = (if is_left { left.next() } else { right.next() }) else { break };
            match buckets.last_mut().filter(|(last, _)| *last == index) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => buckets.push((index, count)),
            }
        }
        drop((left, right));
        (self.schema, self.buckets) = (schema, buckets);
    }

    /// Buckets at a coarser schema: bucket i ends at i, so that 2 i - 1 and 2 i become i.
    fn at(&self, schema: i32) -> impl Iterator<Item = (i32, u64)> {
        let shift = self.schema.saturating_sub(schema).clamp(0, 31);
        self.buckets.iter().map(move |(index, count)| (((index - 1) >> shift) + 1, *count))
    }
}

impl Histogram<'_> {
    /// Converts to native buckets of the base unit: seconds or bytes.
    #[must_use]
    pub fn native(&self) -> Native {
        let scale = self.row.scale();
        // Index 0 is the first bucket above a tick or a byte here, and the one below a base unit in
        // the result.
        let shift = 1 - (self.layout.base_octaves() << scale);
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
mod tests;
