//! Which bucket a value belongs to.
//!
//! In: whole numbers: microseconds, or bytes. Out: positions in a row of counters. Always holds: the buckets of a scale are those
//! of a base-2 exponential histogram (2^scale an octave), and each classic bound is an edge between two of them as well: it splits
//! the one that it lies in. So one row gives exact classic buckets, and, where the parts of a split bucket are added up, an exact
//! exponential histogram. Buckets nest: a [`Fine`] place tells the position at every scale.

mod octave;

use octave::Octaves;
use std::sync::LazyLock;

/// How many classic buckets a histogram has at most, without the one of what is larger.
pub const BOUNDS_MAX: usize = BOUNDS_US.len();

/// Upper bounds of the classic buckets of durations, microseconds: Envoy's defaults, which Istio leaves as they are
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

/// Upper bounds of the classic buckets of sizes, bytes: powers of four from 256 B to 64 MiB. Envoy has one default for all of its
/// histograms, whatever their unit, so that `istio_request_bytes` has the milliseconds of [`BOUNDS_US`]: twice as many samples,
/// half of which no size needs.
pub const BOUNDS_BYTES: [u64; 10] =
    [1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26];

/// The scale that a row begins with, as OpenTelemetry counts scales.
pub(super) const FINEST: u8 = 5;
/// At this one all values that there are find room in the longest row.
pub(super) const COARSEST: u8 = 1;
const SCALES: usize = FINEST as usize + 1;

/// Octaves that are told apart: up to 2^40, which is 12 days, and 1 TiB. What is larger counts as so large.
const OCTAVES: usize = 40;
const LARGEST: u64 = 1 << OCTAVES;
/// The last bucket of the finest scale.
const INDEX_MAX: u16 = ((OCTAVES << FINEST) - 1) as u16;
/// The position of zero.
pub(super) const ZERO: usize = 0;

/// The place of a value among the finest buckets, from which its position at every scale follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fine {
    /// What stands before the buckets above 1, and the classic bounds below the value.
    before: u16,
    /// The bucket of the finest scale.
    index: u16,
}

impl Fine {
    /// The position at a scale that is not finer than [`FINEST`].
    #[inline]
    pub(super) fn at(self, scale: u8) -> usize {
        usize::from(self.before) + usize::from(self.index >> FINEST.saturating_sub(scale))
    }
}

/// All edges of one kind of values.
#[derive(Debug)]
pub(super) struct Layout {
    /// The largest whole number of each finest position, and its place.
    #[cfg(test)]
    upper: Vec<(u64, Fine)>,
    octaves: Octaves,
    /// The last position below or at each classic bound, by scale.
    bounds: [Vec<u16>; SCALES],
    /// The classic bounds that split a bucket: which one, and their logarithms to base 2.
    splits: Vec<(u16, f64)>,
}

static DURATIONS: LazyLock<Layout> = LazyLock::new(|| Layout::new(&BOUNDS_US));
static SIZES: LazyLock<Layout> = LazyLock::new(|| Layout::new(&BOUNDS_BYTES));

impl Layout {
    /// That of microseconds.
    #[inline]
    pub(super) fn durations() -> &'static Self {
        &DURATIONS
    }

    /// That of bytes.
    #[inline]
    pub(super) fn sizes() -> &'static Self {
        &SIZES
    }

    fn new(bounds: &[u64]) -> Self {
        // Powers of two are edges at every scale.
        let splitting: Vec<u64> = bounds.iter().copied().filter(|bound| !bound.is_power_of_two()).collect();
        let upper = octave::uppers(&splitting);
        let mut it = Self {
            octaves: Octaves::new(&splitting, &upper),
            bounds: Default::default(),
            splits: Vec::new(),
            #[cfg(test)]
            upper,
        };
        it.splits = splitting.iter().map(|bound| (it.fine(*bound).index, (*bound as f64).log2())).collect();
        it.bounds = std::array::from_fn(|scale| {
            let scale = u8::try_from(scale).unwrap_or(FINEST);
            bounds.iter().map(|bound| position(it.fine(*bound).at(scale))).collect()
        });
        it
    }

    /// The place of a value.
    #[inline]
    pub(super) fn fine(&self, value: u64) -> Fine {
        self.octaves.fine(value)
    }

    /// The last position below or at each classic bound.
    pub(super) fn bounds(&self, scale: u8) -> &[u16] {
        self.bounds.get(usize::from(scale)).map_or(&[], Vec::as_slice)
    }

    /// Where what stands at a position of one scale stands at a coarser one.
    pub(super) fn coarser(&self, place: usize, (from, to): (u8, u8)) -> usize {
        if place == ZERO {
            return ZERO;
        }
        let (index, splits) = self.bucket(place, from);
        usize::try_from((index >> from.saturating_sub(to)) + 2 + splits).unwrap_or(ZERO)
    }

    /// The position below the classic bound that splits a bucket for the `number`th time.
    pub(super) fn split_at(&self, number: usize, scale: u8) -> Option<usize> {
        let (index, _) = self.splits.get(number)?;
        Some(usize::from(index >> FINEST.saturating_sub(scale)) + 2 + number)
    }

    /// Both edges of a position other than that of zero, as powers of two.
    pub(super) fn edges(&self, place: usize, scale: u8) -> (f64, f64) {
        let (index, splits) = self.bucket(place, scale);
        let split = |number: i32| {
            let split = usize::try_from(number).ok().and_then(|number| self.splits.get(number));
            split.map(|(_, log2)| *log2)
        };
        let edge = |index: i32| f64::from(index) / f64::from(1_u32 << scale);
        let low = split(splits - 1).map_or(edge(index), |split| split.max(edge(index)));
        let high = split(splits).map_or(edge(index + 1), |split| split.min(edge(index + 1)));
        (low, high)
    }

    /// The position within bucket `index` of a scale that a value is nearest to. Index -1 is the bucket that ends with 1.
    pub(super) fn within(&self, index: i64, scale: u8, value: u64) -> usize {
        let shift = FINEST.saturating_sub(scale);
        let index = index.clamp(-1, i64::from(INDEX_MAX >> shift));
        let Ok(bucket) = u16::try_from(index) else { return 1 };
        let fine = self.fine(value);
        let fits = value > 1 && fine.index >> shift == bucket;
        if fits {
            return fine.at(scale);
        }
        let is_above = value > 1 && fine.index >> shift > bucket;
        let is_below = |split: u16| if is_above { split >> shift <= bucket } else { split >> shift < bucket };
        let splits = self.splits.iter().filter(|(split, _)| is_below(*split)).count();
        2 + splits + usize::from(bucket)
    }

    /// The bucket that a position is (part of), and how many classic bounds split one below it.
    fn bucket(&self, place: usize, scale: u8) -> (i32, i32) {
        let place = i32::try_from(place).unwrap_or(i32::MAX);
        let shift = FINEST.saturating_sub(scale);
        let at = |(number, (index, _)): (i32, &(u16, f64))| i32::from(index >> shift) + 2 + number;
        let splits = (0..).zip(&self.splits).take_while(|split| at(*split) < place).count();
        let splits = i32::try_from(splits).unwrap_or(i32::MAX);
        (place - 2 - splits, splits)
    }
}

/// There are far fewer.
fn position(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
