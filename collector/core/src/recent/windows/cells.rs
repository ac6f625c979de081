//! Memory pool of window cells: 32 bytes each, in linked lists.
//!
//! Invariant: an index belongs to one cell until the cell is freed, and is reused afterwards. The
//! pool allocates at most `max` cells.

use super::WindowStats;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};

/// Stands for no cell.
pub(super) const NONE: u32 = u32::MAX;

/// Initial capacity in cells.
const CAPACITY_MIN: usize = 1_024;

/// Statistics of one window, edge and instance, in a list from new to old.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowCell {
    /// Next older cell of the edge; in a free cell, the next free one.
    pub(super) next: u32,
    /// Number of the window since the Unix epoch.
    pub(super) at: u32,
    pub(super) instance: u32,
    requests: u32,
    failed: u32,
    duration_us_max: u32,
    duration_us_sum: u64,
}

impl WindowCell {
    pub(super) fn new(at: u32, instance: u32, next: u32) -> Self {
        Self { next, at, instance, requests: 0, failed: 0, duration_us_max: 0, duration_us_sum: 0 }
    }

    pub(super) fn stats(&self) -> WindowStats {
        WindowStats {
            requests: self.requests.into(),
            failed: self.failed.into(),
            duration_us_sum: self.duration_us_sum,
            duration_us_max: self.duration_us_max.into(),
        }
    }

    pub(super) fn add(&mut self, stats: WindowStats) {
        let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
        let WindowStats { requests, failed, duration_us_sum, duration_us_max } = stats;
        self.requests = self.requests.saturating_add(narrow(requests));
        self.failed = self.failed.saturating_add(narrow(failed));
        self.duration_us_sum = self.duration_us_sum.saturating_add(duration_us_sum);
        self.duration_us_max = self.duration_us_max.max(narrow(duration_us_max));
    }
}

/// The link to the next cell is no part of a snapshot.
impl SnapshotValue for WindowCell {
    fn save(&self, to: &mut Writer) {
        let Self { next: _, at, instance, requests, failed, duration_us_max, duration_us_sum } = self;
        for number in [at, instance, requests, failed, duration_us_max] {
            number.save(to);
        }
        duration_us_sum.save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            next: NONE,
            at: u32::load(from)?,
            instance: u32::load(from)?,
            requests: u32::load(from)?,
            failed: u32::load(from)?,
            duration_us_max: u32::load(from)?,
            duration_us_sum: u64::load(from)?,
        })
    }
}

/// All cells, and the list of the free ones.
#[derive(Debug)]
pub(super) struct CellPool {
    cells: Vec<WindowCell>,
    /// First free cell.
    free: u32,
    used: usize,
}

impl Default for CellPool {
    fn default() -> Self {
        Self { cells: Vec::new(), free: NONE, used: 0 }
    }
}

impl CellPool {
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&WindowCell> {
        self.cells.get(index as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut WindowCell> {
        self.cells.get_mut(index as usize)
    }

    /// Returns a cell and its successors, with their indexes.
    pub(super) fn list(&self, head: u32) -> impl Iterator<Item = (u32, &WindowCell)> {
        let at = |index: u32| Some((index, self.get(index)?));
        std::iter::successors(at(head), move |(_, cell)| at(cell.next))
    }

    /// Inserts a cell; `None` if `max` cells are in use.
    pub(super) fn insert(&mut self, cell: WindowCell, max: usize) -> Option<u32> {
        if self.used >= max {
            return None;
        }
        let index = match self.free {
            NONE => {
                self.grow(max);
                let index = u32::try_from(self.cells.len()).ok().filter(|index| *index != NONE)?;
                self.cells.push(cell);
                index
            }
            index => {
                let free = self.get_mut(index)?;
                let next = std::mem::replace(free, cell).next;
                self.free = next;
                index
            }
        };
        self.used += 1;
        Some(index)
    }

    /// Doubles the capacity, up to `max` cells.
    fn grow(&mut self, max: usize) {
        let length = self.cells.len();
        if length == self.cells.capacity() {
            self.cells.reserve_exact(length.max(CAPACITY_MIN).min(max.saturating_sub(length)));
        }
    }

    /// Frees a cell, and returns its successor.
    pub(super) fn free(&mut self, index: u32) -> u32 {
        let free = self.free;
        let Some(cell) = self.get_mut(index) else { return NONE };
        let next = std::mem::replace(&mut cell.next, free);
        self.free = index;
        self.used = self.used.saturating_sub(1);
        next
    }

    /// Frees a cell and its successors.
    pub(super) fn free_list(&mut self, head: u32) {
        let mut index = head;
        while index != NONE {
            index = self.free(index);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<WindowCell>()
    }
}

#[cfg(test)]
impl CellPool {
    pub(super) fn used_bytes(&self) -> usize {
        self.used * size_of::<WindowCell>()
    }
}

#[cfg(test)]
mod tests {
    use super::{CellPool, NONE, WindowCell};

    #[test]
    fn cells_are_reused_and_bounded() {
        let mut cells = CellPool::default();
        let first = cells.insert(WindowCell::new(1, 0, NONE), 2).unwrap();
        let second = cells.insert(WindowCell::new(2, 0, first), 2).unwrap();
        assert_eq!(cells.insert(WindowCell::new(3, 0, NONE), 2), None);
        assert_eq!(cells.list(second).map(|(_, cell)| cell.at).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((cells.free(second), cells.insert(WindowCell::new(3, 0, NONE), 2)), (first, Some(second)));
        assert_eq!((cells.bytes(), size_of::<WindowCell>()), (64, 32));
        cells.free_list(first);
        assert_eq!(cells.used, 1);
    }
}
