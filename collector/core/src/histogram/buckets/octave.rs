//! What tells without a logarithm in which bucket of its octave a value is.
//!
//! In: the classic bounds that split buckets. Out: edges, by definition and as parts of an octave. Always holds: a part has one
//! edge at most, and all octaves have the same parts; an octave has one classic bound at most.

use super::{FINEST, Fine, INDEX_MAX, LARGEST, OCTAVES, position};

/// An octave is cut into 2^6 equal parts; none of them is longer than the first, shortest bucket of the finest scale, so that at
/// most one edge lies within.
const CUT_BITS: usize = 6;
const CUTS: usize = 1 << CUT_BITS;
/// Up to here the parts of an octave do not begin with whole numbers.
const SMALL: usize = CUTS;
/// Where values are compared with edges, an octave begins here.
const NORM_BITS: usize = 62;

/// A part of an octave, the same in all of them.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// The edge within, with [`NORM_BITS`] bits after the first one; what is larger than all of the part where there is none.
    edge: u64,
    /// The bucket below it, counted from the beginning of the octave.
    index: u16,
}

/// One octave.
#[derive(Debug, Clone, Copy)]
struct Octave {
    /// The classic bound within; what is larger than all values where there is none.
    bound: u64,
    /// What stands before the buckets above 1, up to that bound.
    before: u16,
}

/// All octaves. They take less than 3 KB, which stay in the first cache.
#[derive(Debug)]
pub(super) struct Octaves {
    small: [Fine; SMALL + 1],
    parts: [Part; CUTS],
    octaves: [Octave; OCTAVES],
}

impl Octaves {
    pub(super) fn new(splitting: &[u64], upper: &[(u64, Fine)]) -> Self {
        let small = std::array::from_fn(|value| place_among(upper, value as u64));
        Self { small, parts: parts(), octaves: octaves(splitting) }
    }

    /// The place of a value. Without a logarithm: the octave, and the bits after the first one, lead to a part of an octave, and
    /// one comparison tells on which side of the edge in it the value is; another one does for the classic bound.
    #[inline]
    pub(super) fn fine(&self, value: u64) -> Fine {
        if let Some(fine) = usize::try_from(value).ok().and_then(|value| self.small.get(value)) {
            return *fine;
        }
        let value = value.min(LARGEST);
        // The octave above 2^n begins with 2^n + 1.
        let below = value - 1;
        let octave = below.ilog2() as usize;
        let cut = (below << (63 - octave) << 1) >> (64 - CUT_BITS);
        let (Some(part), Some(whole)) = (self.parts.get(cut as usize), self.octaves.get(octave)) else {
            return Fine::default();
        };
        let above = u16::from(value << (NORM_BITS - octave) > part.edge);
        Fine {
            before: whole.before + u16::from(value > whole.bound),
            index: (octave << FINEST) as u16 + part.index + above,
        }
    }
}

/// The largest whole number of each finest position, and its place, by definition.
pub(super) fn uppers(splitting: &[u64]) -> Vec<(u64, Fine)> {
    let mut upper = vec![(0, Fine::default()), (1, Fine { before: 1, index: 0 })];
    let mut splitting = splitting.iter().copied().peekable();
    let mut before = 2;
    for index in 0..=INDEX_MAX {
        // A cast saturates; whole powers are exact.
        let end = (f64::from(index + 1) / f64::from(1 << FINEST)).exp2() as u64;
        // One at the largest whole number of a bucket is an edge here, but not at a coarser scale.
        while let Some(bound) = splitting.next_if(|bound| *bound <= end) {
            upper.push((bound, Fine { before, index }));
            before += 1;
        }
        upper.push((end, Fine { before, index }));
    }
    // What stands at the end takes all that is larger.
    upper.push((u64::MAX, Fine { before, index: INDEX_MAX }));
    upper
}

/// The first position whose largest whole number is not below the value.
pub(super) fn place_among(upper: &[(u64, Fine)], value: u64) -> Fine {
    let place = upper.partition_point(|(upper, _)| *upper < value);
    upper.get(place).map(|(_, fine)| *fine).unwrap_or_default()
}

fn parts() -> [Part; CUTS] {
    let norm = (1_u64 << NORM_BITS) as f64;
    // No bucket but the last ends with a whole number.
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
        Octave { bound: bound.unwrap_or(u64::MAX), before: position(below) + 2 }
    })
}
