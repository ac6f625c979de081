//! Which bucket a value belongs to.
//!
//! In: whole numbers: microseconds, or bytes. Out: positions in a row of counters. Always holds: the buckets of a scale are those
//! of a base-2 exponential histogram (2^scale an octave), and each classic bound is an edge between two of them as well: it splits
//! the one that it lies in. So one row gives exact classic buckets, and, where the parts of a split bucket are added up, an exact
//! exponential histogram. Buckets nest: a [`Fine`] place tells the position at every scale.

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
/// An octave is cut into 2^6 equal parts; none of them is longer than the first, shortest bucket of the finest scale.
const CUT_BITS: usize = 6;
/// Edges that may lie within such a part: one between buckets, and a classic bound.
const EDGES_MAX: usize = 2;

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

/// A part of an octave: half a cache line.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// The largest whole number below or at each edge within, or what is larger than all of the part.
    edges: [u64; EDGES_MAX],
    /// The places between.
    fine: [Fine; EDGES_MAX + 1],
}

/// All edges of one kind of values.
#[derive(Debug)]
pub(super) struct Layout {
    /// The largest whole number of each finest position, and its place.
    #[cfg(test)]
    upper: Vec<(u64, Fine)>,
    parts: Vec<Part>,
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
        let (mut edges, mut splits) =
            (vec![(0, Fine::default()), (1, Fine { before: 1, index: 0 })], Vec::new());
        // Powers of two are edges at every scale.
        let mut splitting = bounds.iter().copied().filter(|bound| !bound.is_power_of_two()).peekable();
        let mut before = 2;
        for index in 0..=INDEX_MAX {
            // A cast saturates; whole powers are exact.
            let upper = (f64::from(index + 1) / f64::from(1 << FINEST)).exp2() as u64;
            // One at the largest whole number of a bucket is an edge here, but not at a coarser scale.
            while let Some(bound) = splitting.next_if(|bound| *bound <= upper) {
                edges.push((bound, Fine { before, index }));
                splits.push((index, (bound as f64).log2()));
                before += 1;
            }
            edges.push((upper, Fine { before, index }));
        }
        // What stands at the end takes all that is larger.
        edges.push((u64::MAX, Fine { before, index: INDEX_MAX }));
        let parts = (0..OCTAVES << CUT_BITS).map(|place| {
            let (octave, cut) = (place >> CUT_BITS, place & ((1 << CUT_BITS) - 1));
            let first = (1_u64 << octave) + (((cut as u64) << octave) >> CUT_BITS) + 1;
            let place = edges.partition_point(|(upper, _)| *upper < first);
            let at = |further: usize| edges.get(place + further).copied().unwrap_or_default();
            Part {
                edges: std::array::from_fn(|further| at(further).0),
                fine: std::array::from_fn(|further| at(further).1),
            }
        });
        let parts = parts.collect();
        let mut it = Self {
            #[cfg(test)]
            upper: edges,
            parts,
            bounds: Default::default(),
            splits,
        };
        it.bounds = std::array::from_fn(|scale| {
            let scale = u8::try_from(scale).unwrap_or(FINEST);
            bounds.iter().map(|bound| position(it.fine(*bound).at(scale))).collect()
        });
        it
    }

    /// The place of a value. Without a logarithm: the octave and the bits after the first one lead to the part of an octave, and
    /// at most [`EDGES_MAX`] edges lie in it.
    #[inline]
    pub(super) fn fine(&self, value: u64) -> Fine {
        if value <= 1 {
            return Fine { before: value as u16, index: 0 };
        }
        let value = value.min(LARGEST);
        // The octave above 2^n begins with 2^n + 1.
        let below = value - 1;
        let octave = below.ilog2() as usize;
        let cut = (below << (63 - octave) << 1) >> (64 - CUT_BITS);
        let Some(part) = self.parts.get(octave << CUT_BITS | cut as usize) else { return Fine::default() };
        let above = part.edges.iter().filter(|edge| **edge < value).count();
        part.fine.get(above).copied().unwrap_or_default()
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
mod tests {
    use super::{BOUNDS_BYTES, BOUNDS_US, COARSEST, FINEST, Fine, LARGEST, Layout};
    use proptest::prelude::*;

    /// The place by definition: the first whose upper end is not below the value.
    fn slowly(layout: &Layout, value: u64) -> Fine {
        layout.upper[layout.upper.partition_point(|(upper, _)| *upper < value.min(LARGEST))].1
    }

    #[test]
    fn every_place_is_found_at_both_ends() {
        for layout in [Layout::durations(), Layout::sizes()] {
            for (upper, _) in &layout.upper {
                for value in [upper.saturating_sub(1), *upper, upper.saturating_add(1)] {
                    assert_eq!(layout.fine(value), slowly(layout, value), "{value}");
                }
            }
        }
    }

    #[test]
    fn every_bound_is_an_edge_at_every_scale() {
        for (layout, bounds) in [(Layout::durations(), &BOUNDS_US[..]), (Layout::sizes(), &BOUNDS_BYTES)] {
            assert!(bounds.is_sorted() && layout.upper.is_sorted_by_key(|(upper, _)| *upper));
            for scale in COARSEST..=FINEST {
                assert_eq!(layout.bounds(scale).len(), bounds.len());
                for (bound, place) in bounds.iter().copied().zip(layout.bounds(scale)) {
                    assert_eq!(layout.fine(bound).at(scale), usize::from(*place));
                    assert!(layout.fine(bound + 1).at(scale) > usize::from(*place));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_value_lies_within_its_edges(log2 in 0.0..40.0_f64, scale in COARSEST..=FINEST) {
            let value = log2.exp2() as u64;
            for layout in [Layout::durations(), Layout::sizes()] {
                let fine = layout.fine(value);
                prop_assert_eq!(fine, slowly(layout, value));
                let place = fine.at(scale);
                let (low, high) = layout.edges(place, scale);
                let log2 = (value as f64).log2();
                prop_assert!(low < log2 + 1e-9 && log2 <= high + 1e-9, "{} in {} to {}", log2, low, high);
                prop_assert!(high - low <= 1.0 / f64::from(1 << scale) + 1e-9);
                let finest = fine.at(FINEST);
                prop_assert_eq!(layout.coarser(finest, (FINEST, scale)), place);
            }
        }

        #[test]
        fn what_is_put_into_a_bucket_is_in_it(index: i64, scale in COARSEST..=FINEST, value: u64) {
            let layout = Layout::durations();
            let place = layout.within(index, scale, value);
            let (low, high) = layout.edges(place, scale);
            let index = index.clamp(-1, (40 << scale) - 1) as f64;
            let width = f64::from(1 << scale);
            prop_assert!(low >= index / width - 1e-9 && high <= (index + 1.0) / width + 1e-9);
        }
    }
}
