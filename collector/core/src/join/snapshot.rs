//! Snapshot section of the join: the hops of each edge, and the statistics of the join.
//!
//! Records that are pending are no part of the section: after a restart the other side
//! counts as lost telemetry. Under a lower limit the edges of the snapshot stay.

use super::edge_stats::{EdgeEntry, EdgeHops, HopOutcome};
use super::packed_record::EDGES_MAX;
use super::{Ending, HopEdge, Join, Settings, Verdict, WorkloadVersion};
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer, snapshot};

snapshot!(struct WorkloadVersion { workload, namespace, version });
snapshot!(struct HopEdge { source, destination, service });

impl SnapshotValue for HopOutcome {
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
        self.outcomes().count().save(to);
        self.outcomes().for_each(|outcome| outcome.save(to));
        self.gap.save(to);
        self.gap_negative.save(to);
        self.joined.save(to);
        self.peer_not_instrumented.save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut hops = Self::default();
        hops.created_s = u32::load(from)?;
        for _ in 0..from.count()? {
            let (outcome, count) = SnapshotValue::load(from)?;
            hops.add_times(outcome, count);
        }
        hops.gap = SnapshotValue::load(from)?;
        hops.gap_negative = u64::load(from)?;
        hops.joined = u32::load(from)?;
        hops.peer_not_instrumented = u32::load(from)?;
        Ok(hops)
    }
}

/// Whether an edge has counts to save.
fn has_counts(hops: &EdgeHops) -> bool {
    hops.hops() > 0 || hops.joined > 0
}

impl SnapshotState for Join {
    fn save(&self, to: &mut Writer) {
        self.stats.save(to);
        self.overflow.hops.save(to);
        let edges = || self.edges.iter().filter(|(_, entry)| has_counts(&entry.hops));
        edges().count().save(to);
        for (key, entry) in edges() {
            self.names.name(*key).save(to);
            entry.last_seen_us.save(to);
            entry.hops.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        let limits = self.limits.clone();
        self.limit(Settings { edges_max: EDGES_MAX, ..limits.clone() });
        self.stats = SnapshotValue::load(from)?;
        self.overflow.hops = SnapshotValue::load(from)?;
        for _ in 0..from.count()? {
            let name = Option::<HopEdge>::load(from)?;
            let (last_seen_us, hops) = (u64::load(from)?, EdgeHops::load(from)?);
            let name = name.ok_or_else(|| from.broken("an edge has no name"))?;
            let number = self.names.key_of(&name).and_then(|key| self.edges.number(&key, EdgeEntry::default));
            let entry = number.and_then(|number| self.edges.get_mut(number));
            let entry = entry.ok_or_else(|| from.broken("too many edges"))?;
            (entry.last_seen_us, entry.hops) = (last_seen_us, hops);
        }
        self.limit(limits);
        Ok(())
    }
}
