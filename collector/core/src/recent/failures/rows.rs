//! Rows in the order in which they came, any of which may go.
//!
//! In: rows with rising numbers. Out: the same, by their places, or by number. Always holds: the oldest row is at the front; a
//! place is that of its row until the rows are [tidied](Rows::tidy); no more than half of the places are empty then, but for a
//! few. A tree by number would move its neighbours with each row that comes and goes, and hundreds do in each batch of a bad day.

use std::collections::VecDeque;

/// So many empty places are not worth tidying.
const EMPTY_MIN: usize = 64;

/// See above.
#[derive(Debug)]
pub(super) struct Rows<T> {
    /// Boxed, so that a place is small.
    places: VecDeque<(u64, Option<Box<T>>)>,
    /// The place at the front.
    first: u64,
    len: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { places: VecDeque::new(), first: 0, len: 0 }
    }
}

impl<T> Rows<T> {
    /// Adds a row, whose number is above all others; its place.
    pub(super) fn push(&mut self, number: u64, row: T) -> u64 {
        self.places.push_back((number, Some(Box::new(row))));
        self.len += 1;
        self.first + self.places.len() as u64 - 1
    }

    /// Takes the row at a place.
    pub(super) fn take(&mut self, place: u64) -> Option<Box<T>> {
        let at = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let row = self.places.get_mut(at)?.1.take()?;
        self.len -= 1;
        while self.places.pop_front_if(|(_, row)| row.is_none()).is_some() {
            self.first += 1;
        }
        Some(row)
    }

    /// The row that came first.
    pub(super) fn oldest(&self) -> Option<&T> {
        self.places.front()?.1.as_deref()
    }

    /// Those with a number over `after`, the oldest first.
    pub(super) fn after(&self, after: u64) -> impl DoubleEndedIterator<Item = &T> {
        let from = self.places.partition_point(|(number, _)| *number <= after);
        self.places.range(from..).filter_map(|(_, row)| row.as_deref())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether it is time to tidy.
    pub(super) fn is_untidy(&self) -> bool {
        self.places.len() > 2 * self.len + EMPTY_MIN
    }

    /// Gives every row a new place, so that none is empty.
    pub(super) fn tidy(&mut self, mut moved: impl FnMut(&T, u64)) {
        self.places.retain(|(_, row)| row.is_some());
        let rows = self.places.iter().filter_map(|(_, row)| row.as_deref());
        rows.zip(self.first..).for_each(|(row, place)| moved(row, place));
    }
}

#[cfg(test)]
mod tests {
    use super::{EMPTY_MIN, Rows};
    use proptest::prelude::*;

    proptest! {
        /// Each step adds a row, or takes one of those that are there.
        #[test]
        fn rows_are_where_they_were_put(steps in proptest::collection::vec(any::<Option<u16>>(), 0..400)) {
            let mut rows = Rows::default();
            // Numbers with their places.
            let mut expected: Vec<(u64, u64)> = Vec::new();
            for (number, step) in (1_u64..).zip(steps) {
                match step {
                    None => expected.push((number * 10, rows.push(number * 10, number * 10))),
                    Some(_) if expected.is_empty() => {}
                    Some(choice) => {
                        let (number, place) = expected.remove(usize::from(choice) % expected.len());
                        prop_assert_eq!(rows.take(place), Some(Box::new(number)));
                        prop_assert_eq!(rows.take(place), None);
                    }
                }
                if rows.is_untidy() {
                    let mut moved = Vec::new();
                    rows.tidy(|number, place| moved.push((*number, place)));
                    expected = moved;
                }
                prop_assert!(rows.places.len() <= 2 * rows.len() + EMPTY_MIN);
                prop_assert_eq!(rows.oldest().copied(), expected.first().map(|(number, _)| *number));
                let after = number * 10 / 2;
                let over: Vec<u64> = expected.iter().map(|it| it.0).filter(|it| *it > after).collect();
                prop_assert_eq!(rows.after(after).copied().collect::<Vec<_>>(), over);
            }
            prop_assert_eq!(rows.len(), expected.len());
        }
    }
}
