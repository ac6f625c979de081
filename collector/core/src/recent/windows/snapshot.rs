//! Snapshot section of the windows: counters, and the cells of each edge.
//!
//! Invariant: restored windows admit the same instances and refuse the same requests as the written
//! ones, so that no counter falls after a restart. Each edge takes at least one byte. Cells beyond a
//! lower limit stay until they expire.

use super::cells::{NONE, WindowCell};
use super::instances::Instances;
use super::{Windows, cells::CellPool};
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer};

impl SnapshotState for Windows {
    fn save(&self, to: &mut Writer) {
        self.newest.save(to);
        self.next_edge.save(to);
        self.others.save(to);
        self.refused.save(to);
        self.instances.save(to);
        self.heads.len().save(to);
        for head in &self.heads {
            self.cells.list(*head).count().save(to);
            self.cells.list(*head).for_each(|(_, cell)| cell.save(to));
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.newest = u32::load(from)?;
        self.next_edge = usize::load(from)?;
        self.others = u64::load(from)?;
        self.refused = SnapshotValue::load(from)?;
        self.instances = Instances::load(from)?;
        (self.cells, self.edges) = (CellPool::default(), 0);
        self.heads.clear();
        for _ in 0..from.count()? {
            let cells: Vec<WindowCell> = SnapshotValue::load(from)?;
            self.edges += usize::from(!cells.is_empty());
            let mut head = NONE;
            for mut cell in cells.into_iter().rev() {
                cell.next = head;
                head = self.cells.insert(cell, usize::MAX).ok_or_else(|| from.broken("too many windows"))?;
            }
            self.heads.push(head);
        }
        if self.next_edge >= self.heads.len() {
            self.next_edge = 0;
        }
        Ok(())
    }
}
