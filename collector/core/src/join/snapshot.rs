//! Snapshot section of the join: hops, pending records, and all that decides their verdicts.
//!
//! Invariant: a restored join gives every record the verdict that it would have had, with the same
//! tick, since a scrape may have shown it. Under a lower limit the edges of the snapshot stay.
//! Records name edges and proxies by number, so numbers are part of the section.

use super::edge_stats::{EdgeEntry, EdgeHops, EdgeKey, EdgeNames, HopOutcome};
use super::packed_record::{EDGES_MAX, PROXIES_MAX};
use super::telemetry_loss::TelemetryLoss;
use super::{EndName, EndStats, Ending, Eviction, HopEdge, Join, Settings, Verdict, WorkloadVersion};
use crate::batch::Text;
use crate::interner::Interner;
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer, snapshot};
use crate::snapshot::interned;

snapshot!(struct WorkloadVersion { workload, namespace, version });
snapshot!(struct HopEdge { source, destination, service });

snapshot!(struct EndStats { last_loss_us, last_report_us, last_seen_us });

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

impl SnapshotState for Join {
    fn save(&self, to: &mut Writer) {
        self.stats.save(to);
        self.overflow.hops.save(to);
        (self.overflow.source, self.overflow.destination).save(to);
        self.clock.save(to);
        for time_us in [self.evicted_us, self.ticked_us, self.idle_checked_us] {
            time_us.save(to);
        }
        interned::save(&self.edges, to, |key, entry, to| {
            self.names.name(*key).save(to);
            entry.last_seen_us.save(to);
            (entry.source, entry.destination).save(to);
            entry.hops.save(to);
        });
        interned::save(&self.proxies, to, |proxy, losses, to| {
            proxy.save(to);
            losses.save(to);
        });
        for ends in [&self.sources, &self.destinations] {
            interned::save(ends, to, |name, stats, to| {
                name.save(to);
                stats.save(to);
            });
        }
        self.clock_skews.save(to);
        self.counted.save(to);
        self.table.save(to);
        self.save_removed(to);
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        let limits = self.limits.clone();
        self.limit(Settings { edges_max: EDGES_MAX, ..limits.clone() });
        self.stats = SnapshotValue::load(from)?;
        self.overflow.hops = SnapshotValue::load(from)?;
        (self.overflow.source, self.overflow.destination) = SnapshotValue::load(from)?;
        self.clock = SnapshotValue::load(from)?;
        for time_us in [&mut self.evicted_us, &mut self.ticked_us, &mut self.idle_checked_us] {
            *time_us = u64::load(from)?;
        }
        let names = &mut self.names;
        let edges = interned::load(from, |from| load_edge(names, from))?;
        self.edges = Interner::restored(EDGES_MAX, edges.into_iter());
        self.project_edges();
        let proxies = interned::load(from, |from| Ok((Text::load(from)?, TelemetryLoss::load(from)?)))?;
        self.proxies = Interner::restored(PROXIES_MAX - 1, proxies.into_iter());
        for ends in [&mut self.sources, &mut self.destinations] {
            let entries = interned::load(from, |from| Ok((EndName::load(from)?, EndStats::load(from)?)))?;
            *ends = Interner::restored(EDGES_MAX, entries.into_iter());
        }
        self.clock_skews.restore(from)?;
        self.counted.restore(from)?;
        for _ in 0..self.table.restore(from)? {
            self.stats.add_evicted(Eviction::Full);
        }
        self.restore_removed(from)?;
        self.limit(limits);
        Ok(())
    }
}

fn load_edge(names: &mut EdgeNames, from: &mut Reader<'_>) -> Result<(EdgeKey, EdgeEntry), Unreadable> {
    let name = Option::<HopEdge>::load(from)?;
    let last_seen_us = u64::load(from)?;
    let (source, destination) = SnapshotValue::load(from)?;
    let hops = EdgeHops::load(from)?;
    let key = name.and_then(|name| names.key_of(&name));
    let key = key.ok_or_else(|| from.broken("an edge has no name"))?;
    Ok((key, EdgeEntry { last_seen_us, hops, source, destination }))
}
