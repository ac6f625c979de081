//! Series of connections or streams in a snapshot.
//!
//! In: all series, or their bytes. Out: the other of the two. Invariant: a series is restored at its
//! position in the snapshot, by which the sums of removed parts name their exported series.

use super::{ConnectionSeries, Series};
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer};

impl SnapshotState for ConnectionSeries {
    fn save(&self, to: &mut Writer) {
        self.series.save(to);
        let mut removed: Vec<_> = self.projection.removed().collect();
        removed.sort_unstable_by_key(|(slot, _)| *slot);
        removed.len().save(to);
        let mut positions = self.series.slots().enumerate();
        for (slot, removed) in removed {
            let position = positions.find(|(_, known)| *known == slot).map_or(usize::MAX, |it| it.0);
            position.save(to);
            removed.save(to);
        }
        self.expired_closed.save(to);
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.series = SnapshotValue::load(from)?;
        self.restored = Vec::<(usize, Series)>::load(from)?;
        if self.restored.iter().any(|(position, _)| *position >= self.series.len()) {
            return Err(from.broken("no such series"));
        }
        self.expired_closed = SnapshotValue::load(from)?;
        Ok(())
    }
}
