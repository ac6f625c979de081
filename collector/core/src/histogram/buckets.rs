//! Bucket layout: maps a value to its position in a row of counters.
//!
//! In: ticks of 2^-20 s or bytes, as whole numbers.
//! Out: positions in a row of counters.
//! Invariant: the buckets of a scale are those of a base-2 exponential histogram (2^scale per
//! octave), and each classic bound splits the bucket that contains it. So one row yields exact
//! classic buckets and, after adding the parts of split buckets, an exact exponential histogram.
//! Buckets nest: a [`FinePosition`] determines the position at every scale.

mod octave;
mod position;
mod ticks;

pub(super) use position::{FINEST, FinePosition};
pub(super) use ticks::ticks;

use octave::Octaves;
use position::{LARGEST, narrow};
use std::sync::LazyLock;
use ticks::{OCTAVES_PER_SECOND, ticks_per_us_log2};

/// Largest number of classic buckets of a histogram, without the bucket `+Inf`.
pub const BOUNDS_MAX: usize = BOUNDS_US.len();

/// Upper bounds of the classic buckets of durations, in microseconds: Envoy's defaults
/// (`source/common/stats/histogram_impl.cc`), which Istio does not change. Longer durations count
/// in the bucket `+Inf`.
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

/// Upper bounds of the classic buckets of sizes, in bytes: powers of four from 256 B to 64 MiB.
///
/// Envoy has one default for all histograms regardless of their unit, so that `istio_request_bytes`
/// has the bounds of [`BOUNDS_US`] (in milliseconds): twice as many samples, half of them useless
/// for sizes.
pub const BOUNDS_BYTES: [u64; 10] =
    [1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26];

/// Coarsest scale: the longest row holds all values.
pub(super) const COARSEST: u8 = 1;
const SCALES: usize = FINEST as usize + 1;

/// Position of zero.
pub(super) const ZERO: usize = 0;

/// Bucket bounds of one kind of values.
#[derive(Debug)]
pub(super) struct Layout {
    /// Largest whole number of each finest position.
    #[cfg(test)]
    upper: Vec<(u64, FinePosition)>,
    octaves: Octaves,
    /// Last position below or at each classic bound, by scale.
    bounds: [Vec<u16>; SCALES],
    /// Classic bounds that split a bucket: index of the bucket, and base-2 logarithm of the bound.
    splits: Vec<(u16, f64)>,
    units: Units,
}

/// Units of the values of a layout, in octaves of the values that the rows count.
#[derive(Debug, Clone, Copy)]
struct Units {
    /// Base unit of the metric: a second, or a byte.
    base: u8,
    /// Unit of the recorded values: a microsecond, or a byte.
    recorded: f64,
}

static DURATIONS: LazyLock<Layout> = LazyLock::new(|| {
    let units = Units { base: OCTAVES_PER_SECOND, recorded: ticks_per_us_log2() };
    Layout::new(&BOUNDS_US.map(ticks), units)
});
static SIZES: LazyLock<Layout> =
    LazyLock::new(|| Layout::new(&BOUNDS_BYTES, Units { base: 0, recorded: 0.0 }));

impl Layout {
    /// Returns the layout of durations, whose values are [`ticks()`].
    #[inline]
    pub(super) fn durations() -> &'static Self {
        &DURATIONS
    }

    /// Returns the layout of sizes in bytes.
    #[inline]
    pub(super) fn sizes() -> &'static Self {
        &SIZES
    }

    fn new(bounds: &[u64], units: Units) -> Self {
        // Powers of two are edges at every scale.
        let splitting: Vec<u64> = bounds.iter().copied().filter(|bound| !bound.is_power_of_two()).collect();
        let upper = octave::uppers(&splitting);
        let mut layout = Self {
            octaves: Octaves::new(&splitting, &upper),
            bounds: Default::default(),
            splits: Vec::new(),
            units,
            #[cfg(test)]
            upper,
        };
        let split = |bound: &u64| (layout.position(*bound).index, (*bound as f64).log2());
        layout.splits = splitting.iter().map(split).collect();
        layout.bounds = std::array::from_fn(|scale| {
            let scale = u8::try_from(scale).unwrap_or(FINEST);
            bounds.iter().map(|bound| narrow(layout.position(*bound).at(scale))).collect()
        });
        layout
    }

    /// Returns the position of a value: ticks or bytes.
    #[inline]
    pub(super) fn position(&self, value: u64) -> FinePosition {
        self.octaves.position(value.min(LARGEST))
    }

    /// Returns the position of a duration, in the layout of durations.
    #[inline]
    pub(super) fn duration(&self, duration_us: u64) -> FinePosition {
        self.octaves.position(ticks(duration_us))
    }

    /// Octaves from the counted values to the base unit of the metric.
    pub(super) fn base_octaves(&self) -> i32 {
        self.units.base.into()
    }

    /// Returns the last position below or at each classic bound.
    pub(super) fn bounds(&self, scale: u8) -> &[u16] {
        self.bounds.get(usize::from(scale)).map_or(&[], Vec::as_slice)
    }

    /// Converts a position of one scale to a coarser one.
    pub(super) fn coarser(&self, position: usize, (from, to): (u8, u8)) -> usize {
        if position == ZERO {
            return ZERO;
        }
        let (index, splits) = self.bucket(position, from);
        usize::try_from((index >> from.saturating_sub(to)) + 2 + splits).unwrap_or(ZERO)
    }

    /// Returns the position below the `number`th classic bound that splits a bucket.
    pub(super) fn split_at(&self, number: usize, scale: u8) -> Option<usize> {
        let (index, _) = self.splits.get(number)?;
        Some(usize::from(index >> FINEST.saturating_sub(scale)) + 2 + number)
    }

    /// Returns both edges of a position other than zero, as powers of two of the recorded unit.
    pub(super) fn edges(&self, position: usize, scale: u8) -> (f64, f64) {
        let (index, splits) = self.bucket(position, scale);
        let split = |number: i32| {
            let split = usize::try_from(number).ok().and_then(|number| self.splits.get(number));
            split.map(|(_, log2)| *log2)
        };
        let edge = |index: i32| f64::from(index) / f64::from(1_u32 << scale);
        let low = split(splits - 1).map_or(edge(index), |split| split.max(edge(index)));
        let high = split(splits).map_or(edge(index + 1), |split| split.min(edge(index + 1)));
        (low - self.units.recorded, high - self.units.recorded)
    }

    /// Returns the bucket that contains a position, and the number of splits below the position.
    fn bucket(&self, position: usize, scale: u8) -> (i32, i32) {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        let shift = FINEST.saturating_sub(scale);
        let at = |(number, (index, _)): (i32, &(u16, f64))| i32::from(index >> shift) + 2 + number;
        let splits = (0..).zip(&self.splits).take_while(|split| at(*split) < position).count();
        let splits = i32::try_from(splits).unwrap_or(i32::MAX);
        (position - 2 - splits, splits)
    }
}

#[cfg(test)]
mod tests;
