//! Join context that all records of one edge of a batch share: side, edge, destination, peer.
//!
//! In: resolved edges, and the reporter of a batch. Out: [`HopEdgeIds`], which stay valid until the
//! generation changes, and one [`EdgeContext`] per edge and batch.
//! Invariant: an edge gets a number only when a single request of it is reported. Each report, and
//! each loss that a proxy reports, is noted for the end that reported it.

use super::edge_stats::NONE;
use super::packed_record::{EDGES_MAX, PendingRecord};
use super::stats::Unjoinable;
use super::telemetry_loss::TelemetryLoss;
use super::{EndName, EndStats, Join, Side};
use crate::batch::{Batch, Reporter, Text};
use crate::identity::{End, ResolvedEdge};
use crate::interner::Interner;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Hops with verdict `peer_not_instrumented` after which further records of the edge get this
/// verdict at once, until the other side sends a report.
const ONE_SIDED_MIN: u32 = 16;

/// Numbers of an edge and of its ends. They are valid until [`Join::generation`] changes.
#[derive(Debug, Clone, Copy)]
pub struct HopEdgeIds {
    side: Side,
    unjoinable: Option<Unjoinable>,
    /// Distinguishes the sources of one request id; 0 for an unknown source.
    source_tag: u16,
    ends: EdgeOrDestination,
    /// Number of the peer proxy plus one; 0 for an unknown peer.
    peer: u32,
}

/// Number of an edge, whose entry names both ends; for an edge without an entry of its own
/// (overflow), the number of the destination, by which its hops are still joined. Four bytes, since
/// there is one per edge and reporting proxy.
#[derive(Debug, Clone, Copy)]
struct EdgeOrDestination(u32);

impl EdgeOrDestination {
    /// Flag of a destination number. Numbers of edges and ends are lower.
    const OVERFLOW: u32 = 1 << 31;

    fn new(edge: Option<u32>, destination: u32) -> Self {
        Self(edge.unwrap_or(destination | Self::OVERFLOW))
    }

    #[inline]
    fn edge(self) -> Option<u32> {
        (self.0 < Self::OVERFLOW).then_some(self.0)
    }

    /// Destination of an overflow edge.
    fn destination(self) -> Option<u32> {
        (Self::OVERFLOW..NONE).contains(&self.0).then_some(self.0 ^ Self::OVERFLOW)
    }
}

/// Reporter of a batch.
#[derive(Debug, Clone, Copy)]
pub struct ReporterContext {
    /// Number of the proxy plus one; 0 for a proxy without a number.
    own: u32,
    /// Whether the batch reports a loss.
    lost: bool,
}

/// Values that all records of one edge of a batch share.
#[derive(Debug, Clone, Copy)]
pub struct EdgeContext {
    pub(super) side: Side,
    pub(super) unjoinable: Option<Unjoinable>,
    /// Number of the destination.
    pub(super) destination: u32,
    /// Parts of a `PackedRecord`: side and source; edge and proxies.
    pub(super) edge_word: u64,
    pub(super) third_word: u64,
    /// Whether the other side is known not to report.
    pub(super) peer_not_instrumented: bool,
}

impl Join {
    /// Generation of the numbers: grows whenever one may mean something else, or something gets its
    /// first number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Notes the reporter of a batch, and the losses that it reports.
    pub fn reporter_context(&mut self, batch: &Batch, now_us: u64) -> ReporterContext {
        let now_us = self.clock.advance(now_us);
        let known = self.proxies.len();
        let proxy = self.proxies.number(&batch.epoch_id.proxy, TelemetryLoss::default);
        if self.proxies.len() > known {
            self.generation += 1;
        }
        let lost = proxy.and_then(|it| self.proxies.get_mut(it)).is_some_and(|it| it.record(batch, now_us));
        // Number 0 stands for no proxy.
        ReporterContext { own: proxy.map_or(0, |number| number.saturating_add(1)), lost }
    }

    /// Returns the numbers of an edge. `peer`: the proxy at the other side, if its address
    /// identifies it.
    pub fn edge_ids(&mut self, edge: &ResolvedEdge, peer: Option<&Text>) -> HopEdgeIds {
        let ResolvedEdge { reporter, source, destination, .. } = edge;
        let side = if *reporter == Reporter::Destination { Side::Destination } else { Side::Source };
        let (source_name, destination_name) = (source_name(source), destination_name(destination));
        let source_number =
            source_name.as_ref().and_then(|name| self.sources.number(name, EndStats::default));
        let destination_number =
            destination_name.as_ref().and_then(|name| self.destinations.number(name, EndStats::default));
        let (source_number, destination_number) =
            (source_number.unwrap_or(NONE), destination_number.unwrap_or(NONE));
        let key = self.names.key(edge);
        let edge = key.and_then(|key| self.edge_number(key));
        if let Some(entry) = edge.and_then(|edge| self.edges.get_mut(edge)) {
            (entry.source, entry.destination) = (source_number, destination_number);
        }
        let peer = peer.and_then(|peer| self.proxies.find(peer));
        HopEdgeIds {
            side,
            unjoinable: unjoinable(*reporter, destination_name.is_some()),
            source_tag: source_name.as_ref().map_or(0, source_tag_of),
            ends: EdgeOrDestination::new(edge, destination_number),
            peer: peer.map_or(0, |number| number.saturating_add(1)),
        }
    }

    /// Prefetches the entry of an edge, or, with `counters`, the counters of the entry. The result
    /// depends on the loaded memory, so that the compiler keeps the load.
    #[inline]
    pub(crate) fn fetch(&self, ids: &HopEdgeIds, counters: bool) -> u64 {
        let Some(entry) = ids.ends.edge().and_then(|edge| self.edges.get(edge)) else { return 0 };
        // The entry spans two cache lines: one value of each is read.
        if counters { entry.hops.touch().into() } else { entry.last_seen_us ^ u64::from(entry.destination) }
    }

    /// Returns the context of an edge for the records of a batch.
    pub fn edge_context(&mut self, ids: &HopEdgeIds, reporter: ReporterContext, now_us: u64) -> EdgeContext {
        let HopEdgeIds { side, unjoinable, source_tag, ends, peer } = *ids;
        let (wall_us, now_us) = (now_us, self.clock.advance(now_us));
        let known = |number: u32| (number != NONE).then_some(number);
        let edge = ends.edge();
        if edge.is_none() {
            self.overflow.hops.begin(wall_us);
        }
        let entry = edge.and_then(|edge| self.edges.get(edge));
        let (source_number, destination_number) =
            entry.map_or((None, ends.destination()), |entry| (known(entry.source), known(entry.destination)));
        mark_seen(&mut self.sources, source_number, now_us);
        mark_seen(&mut self.destinations, destination_number, now_us);
        let (own_ends, own, peer_ends, peer_end) = match side {
            Side::Source => (&mut self.sources, source_number, &self.destinations, destination_number),
            Side::Destination => (&mut self.destinations, destination_number, &self.sources, source_number),
        };
        if let Some(stats) = own.and_then(|number| own_ends.get_mut(number)) {
            stats.last_report_us = now_us;
            if reporter.lost {
                stats.last_loss_us = now_us;
            }
        }
        let never_reports =
            peer_end.and_then(|number| peer_ends.get(number)).is_some_and(|it| it.last_report_us == 0);
        let peer_not_instrumented = edge.and_then(|edge| self.edges.get_mut(edge)).is_some_and(|entry| {
            entry.last_seen_us = now_us;
            entry.hops.begin(wall_us);
            never_reports && entry.hops.peer_not_instrumented >= ONE_SIDED_MIN
        });
        EdgeContext {
            side,
            unjoinable,
            destination: destination_number.unwrap_or(u32::MAX),
            edge_word: PendingRecord::edge_word(side, source_tag),
            third_word: PendingRecord::third_word(
                edge.unwrap_or(u32::try_from(EDGES_MAX).unwrap_or(u32::MAX)),
                reporter.own,
                peer,
            ),
            peer_not_instrumented,
        }
    }
}

fn mark_seen(ends: &mut Interner<EndName, EndStats>, number: Option<u32>, now_us: u64) {
    if let Some(stats) = number.and_then(|number| ends.get_mut(number)) {
        stats.last_seen_us = now_us;
    }
}

fn unjoinable(reporter: Reporter, has_destination: bool) -> Option<Unjoinable> {
    match reporter {
        Reporter::Waypoint => Some(Unjoinable::Waypoint),
        _ if !has_destination => Some(Unjoinable::NoPeer),
        _ => None,
    }
}

fn is_known(text: &str) -> bool {
    !text.is_empty() && text != "unknown"
}

/// The source by its workload; `None` for an unknown workload.
fn source_name(end: &End) -> Option<EndName> {
    is_known(&end.workload).then(|| (end.workload.clone(), end.namespace.clone()))
}

/// The destination by its canonical service, which all versions share; without one, by app or
/// workload.
fn destination_name(end: &End) -> Option<EndName> {
    let names = [&end.canonical_service, &end.app, &end.workload];
    let name = names.into_iter().find(|name| is_known(name))?;
    Some((name.clone(), end.namespace.clone()))
}

/// Returns a 16-bit hash of a name, never 0. Collisions are harmless: the tag only distinguishes
/// the sources of one request id.
fn source_tag_of(name: &EndName) -> u16 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    u16::try_from(hasher.finish() >> 48).unwrap_or(0).max(1)
}
