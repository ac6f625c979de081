//! Deduplication of batches by sequence number.
//!
//! In: sequence numbers from 1, in any order, with repeats.
//! Out: whether a number is new.
//! Invariant: at most [`RANGES_MAX`] missing ranges are stored. Beyond that the oldest range is
//! dropped, and its numbers count as duplicates.

use crate::snapshot::codec::snapshot;
use std::collections::VecDeque;

/// A filter has at most 16 batches in flight, so that this limit is reached only by a faulty
/// client.
pub(super) const RANGES_MAX: usize = 256;

/// Sequence numbers that were received, stored as the missing ranges below the highest one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SequenceSet {
    highest: u64,
    /// Missing ranges: first and last number each; rising and disjoint.
    missing: VecDeque<(u64, u64)>,
    /// Count of numbers in dropped ranges.
    dropped: u64,
}

snapshot!(struct SequenceSet { highest, missing, dropped });

impl SequenceSet {
    /// Adds a number. Returns `false` for a duplicate.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        if number > self.highest {
            let first = self.highest.saturating_add(1);
            if number > first {
                self.missing.push_back((first, number.saturating_sub(1)));
                self.drop_excess();
            }
            self.highest = number;
            return true;
        }
        let index = self.missing.partition_point(|(_, last)| *last < number);
        let Some(&(first, last)) = self.missing.get(index).filter(|(first, _)| *first <= number) else {
            return false;
        };
        self.missing.remove(index);
        if number < last {
            self.missing.insert(index, (number.saturating_add(1), last));
        }
        if first < number {
            self.missing.insert(index, (first, number.saturating_sub(1)));
        }
        self.drop_excess();
        true
    }

    /// Whether a number was received, or lies in a dropped range.
    pub(super) fn contains(&self, number: u64) -> bool {
        let index = self.missing.partition_point(|(_, last)| *last < number);
        (1..=self.highest).contains(&number)
            && self.missing.get(index).is_none_or(|(first, _)| *first > number)
    }

    /// Whether more than one number was received.
    pub(super) fn has_several(&self) -> bool {
        self.highest.saturating_sub(self.missing()) > 1
    }

    /// Returns the highest number received.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Returns how many numbers below the highest were not received.
    pub(super) fn missing(&self) -> u64 {
        let in_range = |(first, last): &(u64, u64)| last.saturating_sub(*first).saturating_add(1);
        self.missing.iter().map(in_range).fold(self.dropped, u64::saturating_add)
    }

    fn drop_excess(&mut self) {
        while self.missing.len() > RANGES_MAX {
            if let Some((first, last)) = self.missing.pop_front() {
                self.dropped = self.dropped.saturating_add(last.saturating_sub(first).saturating_add(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RANGES_MAX, SequenceSet};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn missing_range_is_filled_from_any_side() {
        let mut received = SequenceSet::default();
        assert!(received.insert(5));
        assert_eq!(received.missing(), 4);
        assert!(received.insert(2) && !received.insert(2));
        assert!(received.insert(1) && received.insert(4) && received.insert(3));
        assert_eq!((received.missing(), received.highest()), (0, 5));
        assert!(!received.insert(3));
    }

    #[test]
    fn oldest_missing_ranges_are_dropped_beyond_the_limit() {
        let mut received = SequenceSet::default();
        let ranges = RANGES_MAX as u64 + 2;
        (1..=ranges).for_each(|range| assert!(received.insert(2 * range)));
        assert_eq!(received.missing(), ranges);
        assert!(received.contains(1) && !received.contains(5), "{received:?}");
        assert!(!received.insert(1) && !received.insert(3), "dropped");
        assert!(received.insert(5), "still missing");
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(numbers in proptest::collection::vec(1..64_u64, 0..200)) {
            let (mut received, mut set) = (SequenceSet::default(), BTreeSet::new());
            for number in numbers {
                prop_assert!((0..66).all(|any| received.contains(any) == set.contains(&any)));
                prop_assert_eq!(received.insert(number), set.insert(number));
                let highest = *set.last().unwrap();
                prop_assert_eq!(received.highest(), highest);
                prop_assert_eq!(received.missing(), highest - set.len() as u64);
            }
        }
    }
}
