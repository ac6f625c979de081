//! Snapshot section of the join: the hops of each edge, and the statistics of the join.
//!
//! Records that wait for the other side are no part of the section: after a restart the other side
//! counts as lost telemetry. An edge that had a place before the restart keeps it under a lower
//! limit.

use super::edge_stats::{Cell, EdgeHops, Entry};
use super::packed_record::EDGES_MAX;
use super::{Ending, HopEdge, Join, Place, Settings, Verdict};
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer, snapshot};

snapshot!(struct Place { workload, namespace, version });
snapshot!(struct HopEdge { source, destination, service });

impl SnapshotValue for Cell {
    fn save(&self, to: &mut Writer) {
        to.number(self.verdict.number().into());
        for ending in [self.source, self.destination] {
            to.number(ending.map_or(0, |ending| u64::from(ending.number()) + 1));
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let verdict = Verdict::ALL.get(usize::load(from)?).copied();
        let verdict = verdict.ok_or_else(|| from.broken("no such verdict"))?;
        let mut endings = [None; 2];
        for ending in &mut endings {
            if let Some(number) = usize::load(from)?.checked_sub(1) {
                let known = Ending::ALL.get(number).copied();
                *ending = Some(known.ok_or_else(|| from.broken("no such ending"))?);
            }
        }
        let [source, destination] = endings;
        Ok(Self { verdict, source, destination })
    }
}

impl SnapshotValue for EdgeHops {
    fn save(&self, to: &mut Writer) {
        self.created_s.save(to);
        self.cells().count().save(to);
        self.cells().for_each(|cell| cell.save(to));
        self.gap.save(to);
        self.gap_negative.save(to);
        self.joined.save(to);
        self.peer_not_instrumented.save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut hops = Self::default();
        hops.created_s = u32::load(from)?;
        for _ in 0..from.count()? {
            let (cell, count) = SnapshotValue::load(from)?;
            hops.add_times(cell, count);
        }
        hops.gap = SnapshotValue::load(from)?;
        hops.gap_negative = u64::load(from)?;
        hops.joined = u32::load(from)?;
        hops.peer_not_instrumented = u32::load(from)?;
        Ok(hops)
    }
}

/// Whether an edge has anything to be kept.
fn has_counts(hops: &EdgeHops) -> bool {
    hops.hops() > 0 || hops.joined > 0
}

impl SnapshotState for Join {
    fn save(&self, to: &mut Writer) {
        self.stats.save(to);
        self.overflow.book.save(to);
        let edges = || self.edges.iter().filter(|(_, entry)| has_counts(&entry.book));
        edges().count().save(to);
        for (key, entry) in edges() {
            self.shared.name(*key).save(to);
            entry.last_us.save(to);
            entry.book.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        let limits = self.limits.clone();
        self.limit(Settings { edges_max: EDGES_MAX, ..limits.clone() });
        self.stats = SnapshotValue::load(from)?;
        self.overflow.book = SnapshotValue::load(from)?;
        for _ in 0..from.count()? {
            let name = Option::<HopEdge>::load(from)?;
            let (last_us, book) = (u64::load(from)?, EdgeHops::load(from)?);
            let name = name.ok_or_else(|| from.broken("an edge has no name"))?;
            let number = self.shared.key_of(&name).and_then(|key| self.edges.number(&key, Entry::default));
            let entry = number.and_then(|number| self.edges.get_mut(number));
            let entry = entry.ok_or_else(|| from.broken("too many edges"))?;
            (entry.last_us, entry.book) = (last_us, book);
        }
        self.limit(limits);
        Ok(())
    }
}
