//! Requests, connections, streams and failed records that are pending resolution.
//!
//! In: counts and records of a reported edge whose peer may be identified soon. Out: the same,
//! counted under the resolved edge. Invariant: one budget of groups for all kinds; at most
//! `failures.records_max` failed records are pending, the oldest of an edge leave first.

use super::{Engine, tallies};
use crate::aggregate::connections::Counts;
use crate::batch::{Edge, Identity, Outcome, Text};
use crate::histogram::RequestStats;
use crate::identity::{Pending, PendingLimits, ReportedEdge, ResolvedEdge};
use crate::recent::failures::FailedRecord;
use crate::recent::windows::WindowStats;
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer};
use std::collections::VecDeque;
use std::sync::Arc;

/// Counts and records of one reported edge and outcome that are pending.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingGroup {
    requests: RequestStats,
    connections: Counts,
    streams: Counts,
    /// Failed records, the oldest first. They have a group of their own, whose outcome is the
    /// default.
    failed: VecDeque<FailedRecord>,
}

/// Series that connections are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionKind {
    /// TCP connections.
    Tcp,
    /// Streams and upgraded connections within requests.
    Stream,
}

/// All groups that are pending.
#[derive(Debug)]
pub struct PendingEdges {
    groups: Pending<PendingGroup>,
    failed_records: usize,
}

impl PendingEdges {
    pub(super) fn new(limits: PendingLimits) -> Self {
        Self { groups: Pending::new(limits), failed_records: 0 }
    }

    pub(super) fn limit(&mut self, limits: PendingLimits) {
        self.groups.limit(limits);
    }

    /// Number of groups: one per reported edge and outcome.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether no group is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Number of pending requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.groups.iter().fold(0, |sum, (_, group, _)| sum.saturating_add(group.requests.count()))
    }

    /// Number of pending failed records.
    #[must_use]
    pub fn failed_records(&self) -> usize {
        self.failed_records
    }

    /// Values that were resolved at once because too many groups were pending.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.groups.rejected()
    }

    /// Adds failed records of an edge, and returns how many older ones of it were removed; returns
    /// the records as an error when too many are pending.
    pub(super) fn add_failed(
        &mut self,
        (own, edge): (&Arc<Identity>, Arc<Edge>),
        mut failed: VecDeque<FailedRecord>,
        (edge_records_max, records_max): (usize, usize),
        now_us: u64,
    ) -> Result<u64, VecDeque<FailedRecord>> {
        if self.failed_records.saturating_add(failed.len()) > records_max {
            return Err(failed);
        }
        let reported = ReportedEdge { own: own.clone(), edge, outcome: Outcome::default() };
        let Some(group) = self.groups.group(&reported, now_us) else { return Err(failed) };
        let before = group.failed.len();
        group.failed.append(&mut failed);
        let excess = group.failed.len().saturating_sub(edge_records_max);
        group.failed.drain(..excess);
        self.failed_records = (self.failed_records + group.failed.len()).saturating_sub(before);
        Ok(excess as u64)
    }
}

impl Engine {
    /// Makes requests pending, or counts them at once when too many groups are pending.
    pub(super) fn pend_requests(&mut self, reported: &ReportedEdge, stats: &RequestStats, now_us: u64) {
        match self.pending.groups.group(reported, now_us) {
            Some(group) => group.requests.merge(stats),
            None => self.count(reported, stats, now_us),
        }
    }

    /// Makes connections pending, or counts them at once when too many groups are pending.
    pub(super) fn pend_connections(
        &mut self,
        reported: &ReportedEdge,
        (kind, counts): (ConnectionKind, &Counts),
        now_us: u64,
    ) {
        match self.pending.groups.group(reported, now_us) {
            Some(group) => match kind {
                ConnectionKind::Tcp => group.connections.merge(counts),
                ConnectionKind::Stream => group.streams.merge(counts),
            },
            None => {
                let resolved = self.address_book.resolve_final(&reported.own, &reported.edge);
                self.count_connections(&resolved, kind, (reported.outcome, counts), now_us);
            }
        }
    }

    /// Counts the groups that can be resolved now, or are due.
    pub(super) fn resolve_pending(&mut self, now_us: u64) {
        let address_book = &mut self.address_book;
        let generation = address_book.generation();
        let is_ready = |reported: &ReportedEdge| {
            let resolved = address_book.resolve(&reported.own, &reported.edge);
            !address_book.may_improve(&reported.edge, &resolved)
        };
        for (reported, group) in self.pending.groups.remove_ready(now_us, generation, is_ready) {
            self.count_group(&reported, group, now_us);
        }
    }

    /// Counts all groups.
    pub(super) fn resolve_all_pending(&mut self, now_us: u64) {
        for (reported, group) in self.pending.groups.remove_all() {
            self.count_group(&reported, group, now_us);
        }
    }

    fn count_group(&mut self, reported: &ReportedEdge, group: PendingGroup, now_us: u64) {
        let PendingGroup { requests, connections, streams, failed } = group;
        self.pending.failed_records = self.pending.failed_records.saturating_sub(failed.len());
        let resolved = self.address_book.resolve_final(&reported.own, &reported.edge);
        if requests != RequestStats::default() {
            self.count_as(&resolved, reported, &requests, now_us);
        }
        for (kind, counts) in [(ConnectionKind::Tcp, connections), (ConnectionKind::Stream, streams)] {
            if counts != Counts::default() {
                self.count_connections(&resolved, kind, (reported.outcome, &counts), now_us);
            }
        }
        if !failed.is_empty() {
            self.failures.put(&Arc::new(resolved), failed, now_us);
        }
    }

    /// Resolves the edge of requests as far as possible by now, and counts them.
    pub(super) fn count(&mut self, reported: &ReportedEdge, stats: &RequestStats, now_us: u64) {
        let resolved = self.address_book.resolve_final(&reported.own, &reported.edge);
        self.count_as(&resolved, reported, stats, now_us);
    }

    /// Counts requests under a resolved edge.
    pub(super) fn count_as(
        &mut self,
        resolved: &ResolvedEdge,
        reported: &ReportedEdge,
        stats: &RequestStats,
        now_us: u64,
    ) {
        let edge = self.request_edge_id(resolved);
        let reported_by = (resolved.reporter, crate::aggregate::reporting_namespace(resolved));
        let (series, overflows) =
            self.aggregate.series(&self.edges, edge, reported_by, reported.outcome, now_us);
        if overflows {
            self.aggregate.overflow(stats.count());
        }
        if let Some(series) = self.aggregate.get_mut(series) {
            series.stats.merge(stats);
        }
        let ReportedEdge { own, edge: by_proxy, outcome } = reported;
        let instance = tallies::called(by_proxy.reporter, own, &by_proxy.peer.address, "");
        self.windows.add(edge, instance, WindowStats::of(stats, outcome.is_failure()), now_us);
    }

    /// Counts connections under a resolved edge.
    pub(super) fn count_connections(
        &mut self,
        resolved: &ResolvedEdge,
        kind: ConnectionKind,
        counted: (Outcome, &Counts),
        now_us: u64,
    ) {
        let namespace: &Text = crate::aggregate::reporting_namespace(resolved);
        let series = match kind {
            ConnectionKind::Tcp => &mut self.connections,
            ConnectionKind::Stream => &mut self.streams,
        };
        let known = self.edges.find(resolved);
        let edge = known.or_else(|| series.has_capacity(namespace).then(|| self.edges.issue(resolved))?);
        series.add(&self.edges, edge, (resolved.reporter, namespace), counted, now_us);
    }
}

impl SnapshotState for PendingEdges {
    fn save(&self, to: &mut Writer) {
        self.groups.rejected().save(to);
        self.groups.len().save(to);
        for (reported, group, due_us) in self.groups.iter_in_order() {
            reported.save(to);
            due_us.save(to);
            group.requests.save(to);
            group.connections.save(to);
            group.streams.save(to);
            group.failed.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.groups.restore_rejected(u64::load(from)?);
        for _ in 0..from.count()? {
            let reported = ReportedEdge::load(from)?;
            let due_us = u64::load(from)?;
            let group = self.groups.restore_group(reported, due_us);
            group.requests.merge(&RequestStats::load(from)?);
            group.connections.merge(&Counts::load(from)?);
            group.streams.merge(&Counts::load(from)?);
            let mut failed: VecDeque<FailedRecord> = SnapshotValue::load(from)?;
            self.failed_records += failed.len();
            group.failed.append(&mut failed);
        }
        Ok(())
    }
}
