//! Bucket lookup without a logarithm.
//!
//! In: the classic bounds that split buckets.
//! Out: bucket edges, by definition and as parts of an octave.
//! Invariant: a part has at most one edge, and all octaves have the same parts; an octave has at
//! most one classic bound.

use super::position::{FINEST, FinePosition, INDEX_MAX, OCTAVES, narrow};

/// Bits of a part number: an octave has 2^6 equal parts. No part is longer than the first, shortest
/// bucket of the finest scale, so that at most one edge lies within.
const CUT_BITS: usize = 6;
const CUTS: usize = 1 << CUT_BITS;
/// Values up to this one have a table of their own: below it parts do not begin at whole numbers.
const SMALL: usize = CUTS;
/// Bit position to which values are shifted for the comparison with an edge.
const NORM_BITS: usize = 62;

/// Part of an octave, the same for all octaves.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Bucket edge within the part, with [`NORM_BITS`] bits after the first one; `u64::MAX` if the
    /// part has none.
    edge: u64,
    /// Bucket below the edge, counted from the beginning of the octave.
    index: u16,
}

/// Octave of values.
#[derive(Debug, Clone, Copy)]
struct Octave {
    /// Classic bound within the octave; `u64::MAX` if the octave has none.
    bound: u64,
    /// Value of [`FinePosition::before`] up to the bound.
    before: u16,
}

/// All octaves, in less than 3 KB, which stay in the L1 cache.
#[derive(Debug)]
pub(super) struct Octaves {
    small: [FinePosition; SMALL + 1],
    parts: [Part; CUTS],
    octaves: [Octave; OCTAVES],
}

impl Octaves {
    /// Builds the lookup tables.
    pub(super) fn new(splitting: &[u64], upper: &[(u64, FinePosition)]) -> Self {
        let small = std::array::from_fn(|value| position_among(upper, value as u64));
        Self { small, parts: parts(), octaves: octaves(splitting) }
    }

    /// Returns the position of a value, at most [`LARGEST`](super::LARGEST). The leading bits determine octave and part; one comparison
    /// decides the side of the edge within the part, another one the side of the classic bound.
    #[inline]
    pub(super) fn position(&self, value: u64) -> FinePosition {
        if let Some(fine) = usize::try_from(value).ok().and_then(|value| self.small.get(value)) {
            return *fine;
        }
        // The octave above 2^n begins with 2^n + 1.
        let below = value - 1;
        let octave = below.ilog2() as usize;
        let cut = (below << (63 - octave) << 1) >> (64 - CUT_BITS);
        let (Some(part), Some(whole)) = (self.parts.get(cut as usize), self.octaves.get(octave)) else {
            return FinePosition::default();
        };
        let above = u16::from(value << (NORM_BITS - octave) > part.edge);
        FinePosition {
            before: whole.before + u16::from(value > whole.bound),
            index: (octave << FINEST) as u16 + part.index + above,
        }
    }
}

/// Returns the largest whole number of each finest position, with the position, by definition.
pub(super) fn uppers(splitting: &[u64]) -> Vec<(u64, FinePosition)> {
    let mut upper = vec![(0, FinePosition::default()), (1, FinePosition { before: 1, index: 0 })];
    let mut splitting = splitting.iter().copied().peekable();
    let mut before = 2;
    for index in 0..=INDEX_MAX {
        // The cast saturates; integral powers are exact.
        let end = (f64::from(index + 1) / f64::from(1 << FINEST)).exp2() as u64;
        // A bound at the largest whole number of a bucket is an edge here, but not at a coarser
        // scale.
        while let Some(bound) = splitting.next_if(|bound| *bound <= end) {
            upper.push((bound, FinePosition { before, index }));
            before += 1;
        }
        upper.push((end, FinePosition { before, index }));
    }
    // The last position counts all larger values.
    upper.push((u64::MAX, FinePosition { before, index: INDEX_MAX }));
    upper
}

/// Returns the first position whose largest whole number is not below the value.
pub(super) fn position_among(upper: &[(u64, FinePosition)], value: u64) -> FinePosition {
    let index = upper.partition_point(|(upper, _)| *upper < value);
    upper.get(index).map(|(_, position)| *position).unwrap_or_default()
}

fn parts() -> [Part; CUTS] {
    let norm = (1_u64 << NORM_BITS) as f64;
    // Only the last bucket ends at a whole number.
    let edge = |index: u16| (f64::from(index) / f64::from(1 << FINEST)).exp2() * norm;
    std::array::from_fn(|cut| {
        let [begin, end] = [cut, cut + 1].map(|cut| norm + norm * cut as f64 / CUTS as f64);
        let index = (1..=1 << FINEST).take_while(|index| edge(*index) <= begin).count() as u16;
        let within = Some(edge(index + 1)).filter(|edge| *edge < end);
        Part { edge: within.map_or(u64::MAX, |edge| edge as u64), index }
    })
}

fn octaves(splitting: &[u64]) -> [Octave; OCTAVES] {
    std::array::from_fn(|octave| {
        let [begin, end] = [1_u64 << octave, 2 << octave];
        let bound = splitting.iter().copied().find(|bound| (begin..end).contains(bound));
        let below = splitting.iter().filter(|bound| **bound < begin).count();
        Octave { bound: bound.unwrap_or(u64::MAX), before: narrow(below) + 2 }
    })
}
