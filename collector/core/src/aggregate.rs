//! Counters and histograms of requests, by series.
//!
//! In: edges, outcomes, and statistics of requests. Out: one [`Series`] per edge and outcome.
//! Invariant: the counts of all series add up to the requests that came in; at most `series_max`
//! series have labels of their own, and further requests are counted in one overflow series per
//! reporter, or, where a namespace has as many series as it may, per reporter and namespace; an
//! idle series is removed, and its count stays in a sum.

pub mod connections;
mod exemplars;
mod expiry;
mod key;
pub mod labels;
pub(crate) mod metrics;
mod packed_outcome;
mod projected;
mod series;
mod series_budget;
mod settings;
mod snapshot;

pub use exemplars::Exemplar;
pub use key::Key;
pub use series::Series;
pub(crate) use series_budget::reporting_namespace;
pub use settings::Settings;

use crate::batch::{Outcome, Reporter, Text};
use crate::identity::{EdgeId, EdgeTable};
use crate::metrics::{ExportedLabels, Projection};
use exemplars::Exemplars;
use key::SeriesKey;
use packed_outcome::PackedOutcome;
use series::seconds;
use series_budget::{Overflow, SeriesBudget};
use slab::Slab;
use std::collections::HashMap;
use std::sync::Arc;

/// Index of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesId(pub(crate) u32);

/// Part of the memory of an edge, fetched step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// The edge.
    Edge,
    /// The first of its series.
    Series,
    /// The counters of that series.
    Counters,
}

/// Not an index.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Entry {
    /// Id of the edge; [`NONE`] for an overflow series.
    edge: u32,
    /// Next series of the same edge.
    next: u32,
    outcome: PackedOutcome,
    series: Series,
}

/// All series of requests.
#[derive(Debug, Clone, Default)]
pub struct Aggregate {
    limits: Settings,
    series: Slab<Entry>,
    /// First series of each edge, by the id of the edge; [`NONE`] without any.
    first: Vec<u32>,
    /// Number of edges that have series.
    edges: usize,
    overflow: Vec<(Reporter, u32)>,
    namespace_overflow: HashMap<(Reporter, Text), u32>,
    exemplars: Exemplars,
    budget: SeriesBudget,
    projection: Projection<Series>,
    exported: ExportedLabels,
    /// Sums of the projection that a snapshot contains, until the edges are restored as well.
    restored: Vec<(u32, Series)>,
    overflowed: u64,
    expired_series: u64,
    expired_requests: u64,
    checked_us: u64,
    generation: u64,
}

impl Aggregate {
    /// Creates an aggregate without series.
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
        self.generation += 1;
    }

    /// Number of times that the budget may have admitted further series.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a namespace may have one more series.
    pub(crate) fn has_capacity(&self, namespace: &str) -> bool {
        self.budget.has_capacity(namespace, &self.limits)
    }

    /// Whether an edge has series.
    pub(crate) fn uses(&self, EdgeId(edge): EdgeId) -> bool {
        self.first.get(edge as usize).is_some_and(|first| *first != NONE)
    }

    /// Returns the series of an edge and outcome, or an overflow series, and whether it is an
    /// overflow series: requests added to one are to be reported to [`Aggregate::overflow`].
    /// `reported_by`: the reporter, and the namespace of its proxy.
    pub fn series(
        &mut self,
        edges: &EdgeTable,
        edge: Option<EdgeId>,
        reported_by: (Reporter, &Text),
        outcome: Outcome,
        now_us: u64,
    ) -> (SeriesId, bool) {
        match edge.and_then(|edge| self.find(edges, edge, outcome, now_us)) {
            Some(number) => (SeriesId(number), false),
            None => (SeriesId(self.overflow_of(reported_by, now_us)), true),
        }
    }

    /// A series by its index.
    #[inline]
    pub fn get_mut(&mut self, number: SeriesId) -> Option<&mut Series> {
        self.series.get_mut(number.0 as usize).map(|entry| &mut entry.series)
    }

    /// Offers a request as the exemplar of a series. `failed`: whether requests of the series
    /// failed.
    pub fn offer(&mut self, series: SeriesId, exemplar: Exemplar, failed: bool) {
        self.exemplars.offer(series.0, exemplar, failed);
    }

    /// Notes requests that were counted in an overflow series.
    pub fn overflow(&mut self, requests: u64) {
        self.overflowed = self.overflowed.saturating_add(requests);
    }

    /// All series, in no order.
    pub fn iter<'a>(&'a self, edges: &'a EdgeTable) -> impl Iterator<Item = (Key, &'a Series)> {
        self.series.iter().filter_map(|(number, entry)| {
            Some((self.series_key(number, entry).resolve(edges)?, &entry.series))
        })
    }

    /// Values that `pick` selects from the series with indices from `from`, `count` of them, and
    /// the index to continue with; `None` at the end. Series that appear or expire in between may
    /// be missed.
    pub fn series_in<T>(
        &self,
        edges: &EdgeTable,
        from: usize,
        count: usize,
        pick: impl Fn(&Series, Option<Exemplar>) -> Option<T>,
    ) -> (Vec<(Key, T)>, Option<usize>) {
        let to = from.saturating_add(count);
        let entries = (from..to).filter_map(|number| Some((number, self.series.get(number)?)));
        let exemplar = |number: usize| self.exemplars.get(u32::try_from(number).ok()?);
        let some = entries
            .filter_map(|(number, entry)| {
                let picked = pick(&entry.series, exemplar(number))?;
                Some((self.series_key(number, entry).resolve(edges)?, picked))
            })
            .collect();
        (some, (to < self.series.capacity()).then_some(to))
    }

    /// Number of series with labels of their own.
    #[must_use]
    pub fn named(&self) -> usize {
        self.budget.len()
    }

    /// Number of edges that have such series.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.edges
    }

    /// Requests that were counted in an overflow series.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Series that expired, and the requests of exported series that ended. The requests of other
    /// expired series stay in the exported series that they are a part of.
    #[must_use]
    pub fn expired(&self) -> (u64, u64) {
        (self.expired_series, self.expired_requests)
    }

    /// Begins to fetch the memory that counting requests of an edge needs; the result depends on
    /// it. Called for many edges step by step, so that their cache misses overlap.
    #[inline]
    pub(crate) fn fetch(&self, EdgeId(edge): EdgeId, step: Fetch) -> u64 {
        let Some(first) = self.first.get(edge as usize) else { return 0 };
        if step == Fetch::Edge {
            return (*first).into();
        }
        let Some(entry) = self.series.get(*first as usize) else { return 0 };
        match step {
            Fetch::Counters => entry.series.stats.touch().into(),
            // One field of each of its cache lines.
            _ => u64::from(entry.next) ^ u64::from(entry.series.last_s) ^ entry.series.stats.request_bytes,
        }
    }

    fn series_key(&self, number: usize, entry: &Entry) -> SeriesKey {
        if entry.edge != NONE {
            return SeriesKey::Edge(EdgeId(entry.edge), entry.outcome);
        }
        let is_it = |known: &u32| *known as usize == number;
        if let Some((reporter, _)) = self.overflow.iter().find(|(_, known)| is_it(known)) {
            return SeriesKey::Overflow(*reporter);
        }
        match self.namespace_overflow.iter().find(|(_, known)| is_it(known)) {
            Some(((reporter, namespace), _)) => SeriesKey::NamespaceOverflow(*reporter, namespace.clone()),
            None => SeriesKey::Overflow(Reporter::default()),
        }
    }

    fn find(&mut self, edges: &EdgeTable, edge: EdgeId, outcome: Outcome, now_us: u64) -> Option<u32> {
        let first = self.first.get(edge.0 as usize).copied().unwrap_or(NONE);
        let packed = PackedOutcome::from(outcome);
        let mut at = first;
        while let Some(entry) = self.series.get_mut(at as usize) {
            if entry.outcome == packed {
                entry.series.touch(now_us);
                return Some(at);
            }
            at = entry.next;
        }
        let namespace = edges.namespace(edge)?;
        if !self.has_capacity(namespace) {
            return None;
        }
        let key = Key::Edge(Arc::new(edges.get(edge)?), outcome);
        let at = self.insert(edge.0, packed, first, now_us)?;
        self.budget.add(namespace);
        self.project(at, &key);
        Some(at)
    }

    fn overflow_of(&mut self, (reporter, namespace): (Reporter, &Text), now_us: u64) -> u32 {
        let namespace_overflow = match self.budget.overflow(reporter, namespace, &self.limits) {
            Overflow::Namespace => self.namespace_overflow(reporter, namespace, now_us),
            Overflow::Reporter => None,
        };
        let number = namespace_overflow.unwrap_or_else(|| self.reporter_overflow(reporter, now_us));
        if let Some(series) = self.get_mut(SeriesId(number)) {
            series.touch(now_us);
        }
        number
    }

    fn namespace_overflow(&mut self, reporter: Reporter, namespace: &Text, now_us: u64) -> Option<u32> {
        let key = (reporter, namespace.clone());
        if let Some(number) = self.namespace_overflow.get(&key) {
            return Some(*number);
        }
        let number = self.insert(NONE, Outcome::default().into(), NONE, now_us)?;
        self.namespace_overflow.insert(key, number);
        self.project(number, &Key::NamespaceOverflow(reporter, namespace.clone()));
        Some(number)
    }

    fn reporter_overflow(&mut self, reporter: Reporter, now_us: u64) -> u32 {
        if let Some((_, number)) = self.overflow.iter().find(|(known, _)| *known == reporter) {
            return *number;
        }
        let number = self.insert(NONE, Outcome::default().into(), NONE, now_us).unwrap_or(NONE);
        self.overflow.push((reporter, number));
        self.project(number, &Key::Overflow(reporter));
        number
    }

    /// Inserts a series in front of `next`. `edge`: id of its edge; [`NONE`] for an overflow
    /// series.
    fn insert(&mut self, edge: u32, outcome: PackedOutcome, next: u32, now_us: u64) -> Option<u32> {
        let now_s = seconds(now_us);
        let series = Series { created_s: now_s, last_s: now_s, ..Series::default() };
        let number = u32::try_from(self.series.vacant_key()).ok().filter(|number| *number != NONE)?;
        self.series.insert(Entry { edge, next, outcome, series });
        if edge != NONE {
            let index = edge as usize;
            if self.first.len() <= index {
                self.first.resize(index + 1, NONE);
            }
            self.edges += usize::from(next == NONE);
            *self.first.get_mut(index)? = number;
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests;
