//! Which bucket a duration belongs to.
//!
//! In: microseconds. Out: a position. Always holds: buckets are those of a base-2 exponential histogram of scale 3 (eight an
//! octave, so that the middle of a bucket is off by at most 4.4 %), and each of [`BOUNDS_US`] is an edge between two buckets
//! as well: it splits the one that it lies in. So one row of counters gives exact classic buckets, and, where the parts of a
//! split bucket are added up, an exact exponential histogram.

use std::sync::LazyLock;

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

/// The scale, as OpenTelemetry counts it: 2^3 buckets an octave.
pub(super) const SCALE: i32 = 3;
const PER_OCTAVE: i32 = 1 << SCALE;
/// Octaves up to 2^40 microseconds, above the 7 days that the check lets through.
const OCTAVES: usize = 40;
/// The last bucket of the scale.
pub(super) const INDEX_MAX: i32 = 40 * PER_OCTAVE - 1;
/// Buckets of an octave, and the most bounds that lie in one.
const WINDOW: usize = 12;

/// Durations under a microsecond.
pub(super) const ZERO: usize = 0;

/// All edges.
#[derive(Debug)]
pub(super) struct Layout {
    /// The largest whole duration of each position; the last takes all that is longer.
    upper_us: Vec<u64>,
    /// Bucket of the scale that a position is (part of).
    index: Vec<i32>,
    /// Upper edge of a position as a power of two.
    upper_log2: Vec<f64>,
    /// First position above each octave's lower end.
    octaves: [usize; OCTAVES + 1],
    /// The last position below each of [`BOUNDS_US`].
    bounds: [usize; BOUNDS_US.len()],
}

static LAYOUT: LazyLock<Layout> = LazyLock::new(Layout::new);

impl Layout {
    /// The one that there is.
    pub(super) fn get() -> &'static Self {
        &LAYOUT
    }

    fn new() -> Self {
        let mut it = Self {
            // Position 0 is that of 0, position 1 the bucket that ends with 1.
            upper_us: vec![0, 1],
            index: vec![i32::MIN, -1],
            upper_log2: vec![f64::NEG_INFINITY, 0.0],
            octaves: [0; OCTAVES + 1],
            bounds: [0; BOUNDS_US.len()],
        };
        let mut bounds = BOUNDS_US.into_iter().peekable();
        for index in 0..=INDEX_MAX {
            if index % PER_OCTAVE == 0
                && let Some(octave) =
                    usize::try_from(index / PER_OCTAVE).ok().and_then(|it_| it.octaves.get_mut(it_))
            {
                *octave = it.upper_us.len();
            }
            let log2 = f64::from(index + 1) / f64::from(PER_OCTAVE);
            // A cast saturates; whole powers are exact.
            let upper_us = log2.exp2() as u64;
            while let Some(bound) = bounds.next_if(|bound| *bound < upper_us) {
                it.push(bound, index, (bound as f64).log2());
            }
            bounds.next_if_eq(&upper_us);
            it.push(upper_us, index, log2);
        }
        if let Some(last) = it.octaves.last_mut() {
            *last = it.upper_us.len();
        }
        let positions = BOUNDS_US.map(|bound| it.upper_us.partition_point(|upper| *upper < bound));
        it.bounds = positions;
        it
    }

    fn push(&mut self, upper_us: u64, index: i32, log2: f64) {
        self.upper_us.push(upper_us);
        self.index.push(index);
        self.upper_log2.push(log2);
    }

    /// How many positions there are.
    pub(super) fn len(&self) -> usize {
        self.upper_us.len()
    }

    /// The position of a duration.
    #[inline]
    pub(super) fn position(&self, duration_us: u64) -> usize {
        if duration_us <= 1 {
            return usize::from(duration_us == 1);
        }
        // The octave above 2^n begins with 2^n + 1.
        let octave = (duration_us - 1).ilog2() as usize;
        let first = self.octaves.get(octave).copied().unwrap_or(self.len());
        let window = self.upper_us.get(first..).unwrap_or_default();
        let below = window.iter().take(WINDOW).filter(|upper| **upper < duration_us).count();
        (first + below).min(self.len().saturating_sub(1))
    }

    /// The position within bucket `index` of the scale that a duration is nearest to.
    pub(super) fn position_in(&self, index: i32, duration_us: u64) -> usize {
        let first = self.index.partition_point(|it| *it < index);
        let last = self.index.partition_point(|it| *it <= index).saturating_sub(1);
        self.position(duration_us).clamp(first.min(last), last)
    }

    /// The last position below or at each of [`BOUNDS_US`].
    pub(super) fn bounds(&self) -> &[usize; BOUNDS_US.len()] {
        &self.bounds
    }

    /// Both edges of a position, as powers of two.
    pub(super) fn log2_of(&self, position: usize) -> (f64, f64) {
        let upper = |position: usize| self.upper_log2.get(position).copied().unwrap_or(f64::from(INDEX_MAX));
        let lower = if position <= 1 { -1.0 / f64::from(PER_OCTAVE) } else { upper(position - 1) };
        (lower, upper(position))
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS_US, Layout, WINDOW};
    use proptest::prelude::*;

    /// The position by definition: the first whose upper end is not below the duration.
    fn slowly(layout: &Layout, duration_us: u64) -> usize {
        layout.upper_us.partition_point(|upper| *upper < duration_us).min(layout.len() - 1)
    }

    #[test]
    fn every_position_is_found_at_both_ends() {
        let layout = Layout::get();
        for upper in &layout.upper_us {
            for duration_us in [upper.saturating_sub(1), *upper, upper + 1] {
                assert_eq!(layout.position(duration_us), slowly(layout, duration_us), "{duration_us}");
            }
        }
        let steps = layout.octaves.windows(2);
        assert!(steps.map(|pair| pair[1] - pair[0]).all(|size| size <= WINDOW));
    }

    #[test]
    fn every_bound_is_an_edge() {
        let layout = Layout::get();
        for (bound, position) in BOUNDS_US.into_iter().zip(layout.bounds()) {
            assert_eq!(layout.upper_us[*position], bound);
            assert_eq!(layout.position(bound), *position);
            assert_eq!(layout.position(bound + 1), *position + 1);
        }
        assert!(BOUNDS_US.is_sorted() && layout.upper_us.is_sorted());
        assert_eq!(layout.len(), 341);
    }

    proptest! {
        #[test]
        fn a_duration_lies_within_its_edges(duration_us in 1..1_u64 << 40) {
            let layout = Layout::get();
            let position = layout.position(duration_us);
            prop_assert_eq!(position, slowly(layout, duration_us));
            let (low, high) = layout.log2_of(position);
            let log2 = (duration_us as f64).log2();
            prop_assert!(low < log2 + 1e-9 && log2 <= high + 1e-9, "{} in {} to {}", log2, low, high);
            prop_assert!(high - low <= 0.125 + 1e-9);
        }
    }
}
