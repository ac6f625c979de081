//! Queue of rows in order of arrival, with removal at any position.
//!
//! In: rows with increasing numbers. Out: rows by position or by number.
//! Invariant: the front holds the oldest row. A position is valid until the next
//! [compaction](Rows::compact). After it at most half of the slots are empty, plus a constant. A
//! tree by number would move entries on each insertion and removal, and a batch during an outage
//! has hundreds of both.

use std::collections::VecDeque;

/// Number of empty slots that is not worth a compaction.
const EMPTY_MIN: usize = 64;

/// Rows in slots, of which some are empty.
#[derive(Debug)]
pub(super) struct Rows<T> {
    /// Number and row; boxed, so that an empty slot is small.
    slots: VecDeque<(u64, Option<Box<T>>)>,
    /// Position of the front slot.
    first: u64,
    len: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), first: 0, len: 0 }
    }
}

impl<T> Rows<T> {
    /// Adds a row with a number above all others, and returns its position.
    pub(super) fn push(&mut self, number: u64, row: T) -> u64 {
        self.slots.push_back((number, Some(Box::new(row))));
        self.len += 1;
        self.first + self.slots.len() as u64 - 1
    }

    /// Removes and returns the row at a position.
    pub(super) fn remove(&mut self, position: u64) -> Option<Box<T>> {
        let at = usize::try_from(position.checked_sub(self.first)?).ok()?;
        let row = self.slots.get_mut(at)?.1.take()?;
        self.len -= 1;
        while self.slots.pop_front_if(|(_, row)| row.is_none()).is_some() {
            self.first += 1;
        }
        Some(row)
    }

    /// Returns the oldest row.
    pub(super) fn oldest(&self) -> Option<&T> {
        self.slots.front()?.1.as_deref()
    }

    /// Rows with a number above `after`, the oldest first.
    pub(super) fn after(&self, after: u64) -> impl DoubleEndedIterator<Item = &T> {
        let from = self.slots.partition_point(|(number, _)| *number <= after);
        self.slots.range(from..).filter_map(|(_, row)| row.as_deref())
    }

    /// Returns the newest row with a number under `number`.
    pub(super) fn before(&self, number: u64) -> Option<&T> {
        let to = self.slots.partition_point(|(known, _)| *known < number);
        self.slots.range(..to).rev().find_map(|(_, row)| row.as_deref())
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether enough slots are empty for a compaction.
    pub(super) fn needs_compaction(&self) -> bool {
        self.slots.len() > 2 * self.len + EMPTY_MIN
    }

    /// Removes the empty slots, and reports the new position of each row to `on_move`.
    pub(super) fn compact(&mut self, mut on_move: impl FnMut(&T, u64)) {
        self.slots.retain(|(_, row)| row.is_some());
        let rows = self.slots.iter().filter_map(|(_, row)| row.as_deref());
        rows.zip(self.first..).for_each(|(row, position)| on_move(row, position));
    }
}

#[cfg(test)]
mod tests {
    use super::{EMPTY_MIN, Rows};
    use proptest::prelude::*;

    proptest! {
        /// Each step adds a row, or removes one of the current rows.
        #[test]
        fn rows_are_found_at_their_positions(steps in proptest::collection::vec(any::<Option<u16>>(), 0..400)) {
            let mut rows = Rows::default();
            // Numbers and positions.
            let mut expected: Vec<(u64, u64)> = Vec::new();
            for (number, step) in (1_u64..).zip(steps) {
                match step {
                    None => expected.push((number * 10, rows.push(number * 10, number * 10))),
                    Some(_) if expected.is_empty() => {}
                    Some(choice) => {
                        let (number, position) = expected.remove(usize::from(choice) % expected.len());
                        prop_assert_eq!(rows.remove(position), Some(Box::new(number)));
                        prop_assert_eq!(rows.remove(position), None);
                    }
                }
                if rows.needs_compaction() {
                    let mut moved = Vec::new();
                    rows.compact(|number, position| moved.push((*number, position)));
                    expected = moved;
                }
                prop_assert!(rows.slots.len() <= 2 * rows.len() + EMPTY_MIN);
                prop_assert_eq!(rows.oldest().copied(), expected.first().map(|(number, _)| *number));
                let after = number * 10 / 2;
                let over: Vec<u64> = expected.iter().map(|it| it.0).filter(|it| *it > after).collect();
                prop_assert_eq!(rows.after(after).copied().collect::<Vec<_>>(), over);
                let under = expected.iter().map(|it| it.0).filter(|it| *it < after).max();
                prop_assert_eq!(rows.before(after).copied(), under);
            }
            prop_assert_eq!(rows.len(), expected.len());
        }
    }
}
