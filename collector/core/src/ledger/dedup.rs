//! Which numbers of a sequence have not come yet.
//!
//! In: numbers from 1 on, in any order, repeated at will. Out: whether a number is new. Always holds: at most
//! [`RANGES_MAX`] ranges are remembered; of the ranges that are too many the oldest is given up, and a number in it would
//! be taken for a repeat.

use crate::snapshot::codec::snapshot;
use std::collections::VecDeque;

/// A filter keeps at most 16 batches in flight, so so many holes mean that something else is wrong.
pub(super) const RANGES_MAX: usize = 256;

/// The holes below the highest number that came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    highest: u64,
    /// Rising, disjoint: first and last number of each hole.
    ranges: VecDeque<(u64, u64)>,
    /// Numbers in holes that were given up.
    forgotten: u64,
}

snapshot!(struct Gaps { highest, ranges, forgotten });

impl Gaps {
    /// Notes that a number came; `false` when it had come before.
    pub(super) fn note(&mut self, number: u64) -> bool {
        if number > self.highest {
            let first = self.highest.saturating_add(1);
            if number > first {
                self.ranges.push_back((first, number.saturating_sub(1)));
                self.bound();
            }
            self.highest = number;
            return true;
        }
        let place = self.ranges.partition_point(|(_, last)| *last < number);
        let Some(&(first, last)) = self.ranges.get(place).filter(|(first, _)| *first <= number) else {
            return false;
        };
        self.ranges.remove(place);
        if number < last {
            self.ranges.insert(place, (number.saturating_add(1), last));
        }
        if first < number {
            self.ranges.insert(place, (first, number.saturating_sub(1)));
        }
        self.bound();
        true
    }

    /// Whether a number came before; one in a hole that was given up counts as such.
    pub(super) fn has(&self, number: u64) -> bool {
        let place = self.ranges.partition_point(|(_, last)| *last < number);
        (1..=self.highest).contains(&number)
            && self.ranges.get(place).is_none_or(|(first, _)| *first > number)
    }

    /// The highest number that came.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// How many numbers below the highest have not come.
    pub(super) fn missing(&self) -> u64 {
        let in_range = |(first, last): &(u64, u64)| last.saturating_sub(*first).saturating_add(1);
        self.ranges.iter().map(in_range).fold(self.forgotten, u64::saturating_add)
    }

    fn bound(&mut self) {
        while self.ranges.len() > RANGES_MAX {
            if let Some((first, last)) = self.ranges.pop_front() {
                self.forgotten = self.forgotten.saturating_add(last.saturating_sub(first).saturating_add(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Gaps, RANGES_MAX};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_hole_is_filled_from_any_side() {
        let mut gaps = Gaps::default();
        assert!(gaps.note(5));
        assert_eq!(gaps.missing(), 4);
        assert!(gaps.note(2) && !gaps.note(2));
        assert!(gaps.note(1) && gaps.note(4) && gaps.note(3));
        assert_eq!((gaps.missing(), gaps.highest()), (0, 5));
        assert!(!gaps.note(3));
    }

    #[test]
    fn too_many_holes_are_given_up_oldest_first() {
        let mut gaps = Gaps::default();
        let holes = RANGES_MAX as u64 + 2;
        (1..=holes).for_each(|hole| assert!(gaps.note(2 * hole)));
        assert_eq!(gaps.missing(), holes);
        assert!(gaps.has(1) && !gaps.has(5), "{gaps:?}");
        assert!(!gaps.note(1) && !gaps.note(3), "given up");
        assert!(gaps.note(5), "still known");
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in proptest::collection::vec(1..64_u64, 0..200)) {
            let (mut gaps, mut set) = (Gaps::default(), BTreeSet::new());
            for number in numbers {
                prop_assert!((0..66).all(|any| gaps.has(any) == set.contains(&any)));
                prop_assert_eq!(gaps.note(number), set.insert(number));
                let highest = *set.last().unwrap();
                prop_assert_eq!(gaps.highest(), highest);
                prop_assert_eq!(gaps.missing(), highest - set.len() as u64);
            }
        }
    }
}
