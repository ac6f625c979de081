//! Room for what is counted in one window of one edge and instance: 32 bytes each, in lists.
//!
//! In: cells. Out: their places. Always holds: a place is that of one cell until it is freed, and then given again; no more
//! memory is taken than for `max` cells.

use super::Tally;

/// Where no cell is.
pub(super) const NONE: u32 = u32::MAX;

/// At first there is room for so many.
const ROOM_MIN: usize = 1_024;

/// One of a list, the newest of which comes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// The next older one of its edge; of a free cell the next free one.
    pub(super) next: u32,
    /// Number of its window since the Unix epoch.
    pub(super) at: u32,
    pub(super) instance: u32,
    requests: u32,
    failed: u32,
    duration_us_max: u32,
    duration_us_sum: u64,
}

impl Cell {
    pub(super) fn new(at: u32, instance: u32, next: u32) -> Self {
        Self { next, at, instance, requests: 0, failed: 0, duration_us_max: 0, duration_us_sum: 0 }
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            requests: self.requests.into(),
            failed: self.failed.into(),
            duration_us_sum: self.duration_us_sum,
            duration_us_max: self.duration_us_max.into(),
        }
    }

    pub(super) fn add(&mut self, tally: Tally) {
        let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
        let Tally { requests, failed, duration_us_sum, duration_us_max } = tally;
        self.requests = self.requests.saturating_add(narrow(requests));
        self.failed = self.failed.saturating_add(narrow(failed));
        self.duration_us_sum = self.duration_us_sum.saturating_add(duration_us_sum);
        self.duration_us_max = self.duration_us_max.max(narrow(duration_us_max));
    }
}

/// See above.
#[derive(Debug)]
pub(super) struct Cells {
    cells: Vec<Cell>,
    /// The first free one.
    free: u32,
    used: usize,
}

impl Default for Cells {
    fn default() -> Self {
        Self { cells: Vec::new(), free: NONE, used: 0 }
    }
}

impl Cells {
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Cell> {
        self.cells.get(place as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Cell> {
        self.cells.get_mut(place as usize)
    }

    /// A cell and all after it, with their places.
    pub(super) fn list(&self, head: u32) -> impl Iterator<Item = (u32, &Cell)> {
        let at = |place: u32| Some((place, self.get(place)?));
        std::iter::successors(at(head), move |(_, cell)| at(cell.next))
    }

    /// `None` when there are `max`.
    pub(super) fn insert(&mut self, cell: Cell, max: usize) -> Option<u32> {
        if self.used >= max {
            return None;
        }
        let place = match self.free {
            NONE => {
                self.grow(max);
                let place = u32::try_from(self.cells.len()).ok().filter(|place| *place != NONE)?;
                self.cells.push(cell);
                place
            }
            place => {
                let free = self.get_mut(place)?;
                let next = std::mem::replace(free, cell).next;
                self.free = next;
                place
            }
        };
        self.used += 1;
        Some(place)
    }

    /// Twice as much, but not more than for `max`.
    fn grow(&mut self, max: usize) {
        let length = self.cells.len();
        if length == self.cells.capacity() {
            self.cells.reserve_exact(length.max(ROOM_MIN).min(max.saturating_sub(length)));
        }
    }

    /// Frees one cell; the one after it.
    pub(super) fn free(&mut self, place: u32) -> u32 {
        let free = self.free;
        let Some(cell) = self.get_mut(place) else { return NONE };
        let next = std::mem::replace(&mut cell.next, free);
        self.free = place;
        self.used = self.used.saturating_sub(1);
        next
    }

    /// Frees a cell and all after it.
    pub(super) fn free_list(&mut self, head: u32) {
        let mut place = head;
        while place != NONE {
            place = self.free(place);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }
}

#[cfg(test)]
impl Cells {
    pub(super) fn used_bytes(&self) -> usize {
        self.used * size_of::<Cell>()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Cells, NONE};

    #[test]
    fn places_are_given_again_and_bounded() {
        let mut cells = Cells::default();
        let first = cells.insert(Cell::new(1, 0, NONE), 2).unwrap();
        let second = cells.insert(Cell::new(2, 0, first), 2).unwrap();
        assert_eq!(cells.insert(Cell::new(3, 0, NONE), 2), None);
        assert_eq!(cells.list(second).map(|(_, cell)| cell.at).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((cells.free(second), cells.insert(Cell::new(3, 0, NONE), 2)), (first, Some(second)));
        assert_eq!((cells.bytes(), size_of::<Cell>()), (64, 32));
        cells.free_list(first);
        assert_eq!(cells.used, 1);
    }
}
