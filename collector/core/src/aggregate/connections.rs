//! Series of TCP connections, and of the bytes of streams.
//!
//! In: the connections and streams of a batch, by edge. Out: per edge and outcome how many
//! connections opened and closed, their durations, and their bytes, those of open connections
//! included. Invariant: the closed connections of all series are those of the batches that came in,
//! less those whose edge is not resolved yet; nothing here is a request. The bound of the series is
//! that of requests, counted apart.
//!
//! The bytes of an open connection are reported before its outcome is known, so they are counted
//! without a response flag; only the rest is counted under the flag of its end, as Istio does. A
//! stream is a request, and is counted with all of its bytes when it ends; the bytes of its bodies
//! until then are counted once, in [`ConnectionSeries`] of their own.

pub(crate) mod metrics;
mod projected;
mod slots;
mod snapshot;

use super::Settings;
use super::key::{Key, SeriesKey};
use super::series_budget::{Overflow, SeriesBudget};
use crate::batch::{Batch, Flow, Fold, Outcome, Protocol, Record, Reporter, Text};
use crate::histogram::durations::Durations;
use crate::identity::{EdgeId, EdgeTable};
use crate::metrics::{ExportedLabels, Projection};
use crate::snapshot::codec::snapshot;
use slots::Slots;
use std::collections::HashMap;

/// Statistics of a set of connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were opened.
    pub opened: u64,
    /// Durations of closed connections.
    pub durations: Durations,
    /// Bytes received from clients, open connections included.
    pub request_bytes: u64,
    /// Bytes sent to clients, open connections included.
    pub response_bytes: u64,
}

snapshot!(struct Counts { opened, durations, request_bytes, response_bytes });

impl Counts {
    /// Number of closed connections.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.durations.count()
    }

    /// Adds other statistics.
    pub fn merge(&mut self, other: &Self) {
        self.opened = self.opened.saturating_add(other.opened);
        self.durations.merge(&other.durations);
        self.move_bytes(other.request_bytes, other.response_bytes);
    }

    fn record(&mut self, record: &Record) {
        self.durations.record(record.duration_us);
        self.move_bytes(record.request_bytes, record.response_bytes);
    }

    fn fold(&mut self, fold: &Fold) {
        self.durations.fold(&fold.durations);
        self.move_bytes(fold.request_bytes_sum, fold.response_bytes_sum);
    }

    fn move_bytes(&mut self, request_bytes: u64, response_bytes: u64) {
        self.request_bytes = self.request_bytes.saturating_add(request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(response_bytes);
    }
}

/// Series of one edge and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// Statistics of its connections.
    pub counts: Counts,
    /// Time of creation, microseconds since the Unix epoch.
    pub created_us: u64,
    /// Time of the last addition, microseconds since the Unix epoch.
    pub last_us: u64,
}

snapshot!(struct Series { counts, created_us, last_us });

/// Series of TCP connections, or of streams.
#[derive(Debug, Clone, Default)]
pub struct ConnectionSeries {
    limits: Settings,
    series: Slots<SeriesKey, Series>,
    budget: SeriesBudget,
    projection: Projection<Series>,
    exported: ExportedLabels,
    /// Sums of the projection that a snapshot contains, until the edges are restored as well.
    restored: Vec<(usize, Series)>,
    expired_closed: u64,
}

impl ConnectionSeries {
    /// Creates an empty set of series.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Sets the exported labels, before there are series.
    #[must_use]
    pub fn exporting(self, exported: ExportedLabels) -> Self {
        Self { exported, ..self }
    }

    /// Sets other limits. Series that exist stay.
    pub fn limit(&mut self, limits: Settings) {
        self.limits = limits;
    }

    /// Whether a namespace may have one more series.
    pub(crate) fn has_capacity(&self, namespace: &str) -> bool {
        self.budget.has_capacity(namespace, &self.limits)
    }

    /// Adds counts to the series of an edge and outcome, or to an overflow series. `reported_by`:
    /// the reporter, and the namespace of its proxy.
    pub fn add(
        &mut self,
        edges: &EdgeTable,
        edge: Option<EdgeId>,
        reported_by: (Reporter, &Text),
        (outcome, counts): (Outcome, &Counts),
        now_us: u64,
    ) {
        let key = self.key(edges, edge, reported_by, outcome);
        let mut is_new = false;
        let created = || {
            is_new = true;
            Series { created_us: now_us, ..Series::default() }
        };
        let slot = self.series.insert_with(key, created);
        if is_new {
            self.project(edges, slot);
        }
        if let Some(series) = self.series.get_mut(slot) {
            series.counts.merge(counts);
            series.last_us = series.last_us.max(now_us);
        }
    }

    /// Removes idle series. Returns whether there were any.
    pub fn expire(&mut self, edges: &EdgeTable, now_us: u64) -> bool {
        let idle_since = now_us.saturating_sub(self.limits.idle_us_max());
        let Self { series, expired_closed, budget, projection, .. } = self;
        let before = series.len();
        series.retain(|slot, key, series| {
            let SeriesKey::Edge(edge, _) = key else { return true };
            let stays = series.last_us >= idle_since;
            if !stays {
                let ended = projection.remove(slot, series);
                *expired_closed = expired_closed.saturating_add(ended.map_or(0, |it| it.counts.closed()));
                edges.namespace(*edge).into_iter().for_each(|namespace| budget.remove(namespace));
            }
            stays
        });
        series.len() < before
    }

    /// Ids of the edges that have series, some of them more than once.
    pub(crate) fn used_edges(&self) -> impl Iterator<Item = EdgeId> {
        self.series.iter().filter_map(|(key, _)| match key {
            SeriesKey::Edge(edge, _) => Some(*edge),
            _ => None,
        })
    }

    /// Counts the restored series of each namespace; after all sections of a snapshot are read.
    pub(crate) fn restore_budget(&mut self, edges: &EdgeTable) {
        self.restore_projection(edges);
        let Self { series, budget, .. } = self;
        for (key, _) in series.iter() {
            match key {
                SeriesKey::Edge(edge, _) => {
                    edges.namespace(*edge).into_iter().for_each(|namespace| budget.add(namespace));
                }
                SeriesKey::NamespaceOverflow(reporter, namespace) => {
                    budget.add_overflow(*reporter, namespace.clone());
                }
                SeriesKey::Overflow(_) => {}
            }
        }
    }

    /// All series, in no order.
    pub fn iter<'a>(&'a self, edges: &'a EdgeTable) -> impl Iterator<Item = (Key, &'a Series)> {
        self.series.iter().filter_map(|(key, series)| Some((key.resolve(edges)?, series)))
    }

    /// Returns the series in a slot, and the number above all slots. A series keeps its slot.
    #[must_use]
    pub fn slot(&self, edges: &EdgeTable, slot: usize) -> (Option<(Key, &Series)>, usize) {
        let entry = self.series.get(slot);
        let resolved = entry.and_then(|(key, series)| Some((key.resolve(edges)?, series)));
        (resolved, self.series.end())
    }

    /// Number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.len() == 0
    }

    /// Closed connections of exported series that ended.
    #[must_use]
    pub fn expired_closed(&self) -> u64 {
        self.expired_closed
    }

    /// Returns the key to count under: that of the edge, if the budget admits its series.
    fn key(
        &mut self,
        edges: &EdgeTable,
        edge: Option<EdgeId>,
        (reporter, namespace): (Reporter, &Text),
        outcome: Outcome,
    ) -> SeriesKey {
        if let Some(edge) = edge {
            let key = SeriesKey::Edge(edge, outcome.into());
            if self.series.find(&key).is_some() {
                return key;
            }
            if let Some(namespace) = edges.namespace(edge).filter(|namespace| self.has_capacity(namespace)) {
                self.budget.add(namespace);
                return key;
            }
        }
        match self.budget.overflow(reporter, namespace, &self.limits) {
            Overflow::Namespace => SeriesKey::NamespaceOverflow(reporter, namespace.clone()),
            Overflow::Reporter => SeriesKey::Overflow(reporter),
        }
    }
}

/// Index of an edge in [`Batch::edges`], outcome, and statistics.
pub type Group = (usize, Outcome, Counts);

/// Bytes that the streams of a batch carried, by edge.
#[must_use]
pub fn streams(batch: &Batch) -> Vec<Group> {
    let group = |flow: &Flow| {
        let mut counts = Counts { opened: flow.opened, ..Counts::default() };
        counts.move_bytes(flow.request_bytes, flow.response_bytes);
        (flow.edge, Outcome::default(), counts)
    };
    batch.streams.iter().map(group).collect()
}

/// The connections of a batch, by edge and outcome.
#[must_use]
pub fn tcp(batch: &Batch) -> Vec<Group> {
    let reported = &batch.connections;
    if reported.is_empty() {
        return Vec::new();
    }
    let is_continued = |outcome: usize| reported.continued.get(outcome).copied().unwrap_or(false);
    let mut groups: HashMap<(usize, Outcome), Counts> = HashMap::new();
    let mut group = |edge: usize, outcome: usize, closed: u64, add: &mut dyn FnMut(&mut Counts)| {
        // A connection that was reported as opened is not opened a second time.
        let ended = batch.outcomes.get(outcome).copied().unwrap_or_default();
        let counts = groups.entry((edge, ended)).or_default();
        counts.opened = counts.opened.saturating_add(if is_continued(outcome) { 0 } else { closed });
        add(counts);
    };
    for record in &reported.closed {
        group(record.edge, record.outcome, 1, &mut |counts| counts.record(record));
    }
    for fold in &reported.folds {
        group(fold.edge, fold.outcome, fold.count, &mut |counts| counts.fold(fold));
    }
    for row in &reported.open {
        let unended = Outcome { protocol: Protocol::Tcp, ..Outcome::default() };
        let counts = groups.entry((row.edge, unended)).or_default();
        counts.opened = counts.opened.saturating_add(row.opened);
        counts.move_bytes(row.request_bytes, row.response_bytes);
    }
    let groups = groups.into_iter().map(|((edge, outcome), counts)| (edge, outcome, counts));
    let mut groups: Vec<Group> = groups.collect();
    // A replay issues the same ids only in the same order.
    groups.sort_unstable_by_key(|(edge, outcome, _)| (*edge, *outcome));
    groups
}
