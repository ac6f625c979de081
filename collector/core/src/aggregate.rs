//! Counters and histograms per series.
//!
//! In: named edges with what requests measured on them. Out: one [`Series`] per edge and outcome. Always holds: the
//! counts of all series add up to the requests that came in; at most `series_max` series have a name of their own, and
//! what is more is counted in one overflow series per reporter, or, where a namespace has as many as it may, per reporter and
//! namespace; a series that nothing was added to for long is taken
//! out, and what it counted stays in a sum.
//!
//! Edges and series have numbers, so that whoever meets an edge again finds its series without comparing names. Numbers hold
//! until [`Aggregate::generation`] changes.

pub mod connections;
mod packed_outcome;
mod exemplars;
mod expiry;
mod key;
mod snapshot;
mod edge_names;
mod series;
mod series_budget;

pub use exemplars::Exemplar;
pub use key::Key;
pub use series::Series;
pub(crate) use series_budget::tenant;

use crate::batch::{Outcome, Reporter, Text};
use crate::histogram::RequestStats;
use crate::identity::ResolvedEdge;
use edge_names::{Name, Names};
use exemplars::Exemplars;
use hashbrown::HashTable;
use packed_outcome::Ended;
use series::seconds;
use series_budget::Tenants;
use slab::Slab;
use std::hash::BuildHasher;
use std::sync::Arc;

/// How many series are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Series with labels of their own.
    pub series_max: usize,
    /// The same of each namespace: of the proxies that tell of them; `None` for no bound of its own.
    pub namespace_series_max: Option<usize>,
    /// A series without requests for so long is taken out.
    pub idle_us_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series_max: 100_000, namespace_series_max: None, idle_us_max: 24 * 3600 * 1_000_000 }
    }
}

/// The number of an edge that has series, or may get some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeId(pub(crate) u32);

/// The number of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesId(pub(crate) u32);

/// What is to be fetched of an edge, one step after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// The edge itself.
    Edge,
    /// The first of its series.
    Series,
    /// The counters of that.
    Counters,
}

/// Where no series is.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Entry {
    /// [`NONE`] for an overflow series.
    edge: u32,
    /// Another series of the same edge.
    next: u32,
    outcome: Ended,
    series: Series,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    name: Name,
    /// The first of its series.
    first: u32,
}

/// All series.
#[derive(Debug, Clone, Default)]
pub struct Aggregate {
    limits: Limits,
    series: Slab<Entry>,
    edges: Slab<Edge>,
    /// Numbers of edges, by name.
    numbers: HashTable<u32>,
    keys: foldhash::quality::RandomState,
    names: Names,
    overflow: Vec<(Reporter, u32)>,
    exemplars: Exemplars,
    tenants: Tenants,
    overflowed: u64,
    expired_series: u64,
    expired_requests: u64,
    looked_us: u64,
    generation: u64,
}

impl Aggregate {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Other limits from now on. Series that are there stay.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
        self.generation += 1;
    }

    /// Grows whenever a number stands for something else, or there may be room where there was none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Counts requests of an edge that ended alike.
    pub fn add(&mut self, edge: &ResolvedEdge, outcome: Outcome, measure: &RequestStats, now_us: u64) {
        let reporter = edge.reporter;
        let namespace = tenant(edge).clone();
        let number = self.number(edge);
        let (series, overflows) = self.series(number, (reporter, &namespace), outcome, now_us);
        if overflows {
            self.overflow(measure.count());
        }
        if let Some(series) = self.get_mut(series) {
            series.measure.merge(measure);
        }
    }

    /// The number of an edge; `None` when it is new and there is no room for series of it.
    pub fn number(&mut self, edge: &ResolvedEdge) -> Option<EdgeId> {
        let Self { edges, numbers, keys, names, .. } = &*self;
        let is_it = |number: &u32, name| edges.get(*number as usize).is_some_and(|edge| edge.name == name);
        let find = |name: Name| numbers.find(keys.hash_one(name), |number| is_it(number, name));
        if let Some(number) = names.find(edge).and_then(find) {
            return Some(EdgeId(*number));
        }
        let tenant_max = self.limits.namespace_series_max;
        if self.tenants.is_full(tenant(edge), tenant_max) || self.named() >= self.limits.series_max {
            return None;
        }
        let Self { edges, numbers, keys, names, .. } = self;
        let number = u32::try_from(edges.vacant_key()).ok().filter(|number| *number != NONE)?;
        let name = names.put(edge)?;
        edges.insert(Edge { name, first: NONE });
        numbers.insert_unique(keys.hash_one(name), number, |number| {
            edges.get(*number as usize).map_or(0, |edge| keys.hash_one(edge.name))
        });
        Some(EdgeId(number))
    }

    /// Whether a number stands for an edge.
    pub(crate) fn has(&self, edge: EdgeId) -> bool {
        self.edges.contains(edge.0 as usize)
    }

    /// The name of an edge.
    #[must_use]
    pub fn name(&self, edge: EdgeId) -> Option<Arc<ResolvedEdge>> {
        self.names.get(self.edges.get(edge.0 as usize)?.name).map(Arc::new)
    }

    /// The series of an edge and outcome, or that of what finds no room, and whether it is the latter: what is added to it is
    /// to be told by [`Aggregate::overflow`]. `epoch_id`: which side tells, and the namespace of its proxy.
    pub fn series(
        &mut self,
        edge: Option<EdgeId>,
        (reporter, namespace): (Reporter, &Text),
        outcome: Outcome,
        now_us: u64,
    ) -> (SeriesId, bool) {
        let found = edge.and_then(|edge| self.find(edge, outcome, now_us));
        match found {
            Some(number) => (SeriesId(number), false),
            None => {
                let number = match self.tenant_overflow_of(reporter, namespace, now_us) {
                    Some(number) => number,
                    None => self.overflow_of(reporter, now_us),
                };
                (SeriesId(number), true)
            }
        }
    }

    /// A series by its number.
    #[inline]
    pub fn get_mut(&mut self, number: SeriesId) -> Option<&mut Series> {
        self.series.get_mut(number.0 as usize).map(|entry| &mut entry.series)
    }

    /// A request of a series that may be worth a look. `failed`: whether the requests of the series are failed ones.
    pub fn offer(&mut self, series: SeriesId, exemplar: Exemplar, failed: bool) {
        self.exemplars.offer(series.0, exemplar, failed);
    }

    /// So many requests were counted in an overflow series.
    pub fn overflow(&mut self, requests: u64) {
        self.overflowed = self.overflowed.saturating_add(requests);
    }

    /// Every series, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Series)> {
        self.series.iter().filter_map(|(number, entry)| Some((self.key(number, entry)?, &entry.series)))
    }

    /// What `pick` takes of the series whose numbers are `from` and more, `count` numbers, and the number to go on with; `None`
    /// at the end. What comes and goes meanwhile is seen or not.
    pub fn some<T>(
        &self,
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
                Some((self.key(number, entry)?, picked))
            })
            .collect();
        (some, (to < self.series.capacity()).then_some(to))
    }

    /// Series with labels of their own.
    #[must_use]
    pub fn named(&self) -> usize {
        self.series.len().saturating_sub(self.overflow.len() + self.tenants.overflows())
    }

    /// Edges that have such series.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Requests that were counted in an overflow series.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Series that were taken out, and the requests they had counted.
    #[must_use]
    pub fn expired(&self) -> (u64, u64) {
        (self.expired_series, self.expired_requests)
    }

    /// Begins to fetch what counting requests of an edge needs; what comes back depends on it. To be called for many edges, one
    /// step after the other, so that the memory that each step waits for is waited for once.
    #[inline]
    pub(crate) fn fetch(&self, edge: EdgeId, step: Fetch) -> u64 {
        let Some(edge) = self.edges.get(edge.0 as usize) else { return 0 };
        if step == Fetch::Edge {
            return edge.first.into();
        }
        let Some(entry) = self.series.get(edge.first as usize) else { return 0 };
        match step {
            Fetch::Counters => entry.series.measure.touch().into(),
            // Of each of its cache lines something.
            _ => u64::from(entry.next) ^ u64::from(entry.series.last_s) ^ entry.series.measure.request_bytes,
        }
    }

    /// What tells a series from others.
    fn key(&self, number: usize, entry: &Entry) -> Option<Key> {
        if entry.edge != NONE {
            let name = self.edges.get(entry.edge as usize)?.name;
            return Some(Key::Edge(Arc::new(self.names.get(name)?), entry.outcome.into()));
        }
        let number = u32::try_from(number).ok()?;
        match self.overflow.iter().find(|(_, known)| *known == number) {
            Some((reporter, _)) => Some(Key::Overflow(*reporter)),
            None => self.tenants.key(number).map(|(reporter, tenant)| Key::TenantOverflow(reporter, tenant)),
        }
    }

    fn find(&mut self, number: EdgeId, outcome: Outcome, now_us: u64) -> Option<u32> {
        let edge = *self.edges.get(number.0 as usize)?;
        let ended = Ended::from(outcome);
        let mut at = edge.first;
        while let Some(entry) = self.series.get_mut(at as usize) {
            if entry.outcome == ended {
                entry.series.touch(now_us);
                return Some(at);
            }
            at = entry.next;
        }
        let tenant = self.names.tenant(edge.name)?.clone();
        if self.named() >= self.limits.series_max
            || self.tenants.is_full(&tenant, self.limits.namespace_series_max)
        {
            return None;
        }
        let at = self.insert(number.0, ended, edge.first, now_us)?;
        self.edges.get_mut(number.0 as usize)?.first = at;
        self.tenants.add(&tenant);
        Some(at)
    }

    /// The overflow series of a namespace that has as many series as it may; `None` where it has room, or too many have one.
    fn tenant_overflow_of(&mut self, reporter: Reporter, namespace: &Text, now_us: u64) -> Option<u32> {
        if let Some(number) = self.tenants.overflow(reporter, namespace) {
            let series = self.get_mut(SeriesId(number))?;
            series.touch(now_us);
            return Some(number);
        }
        if !self.tenants.may_overflow() || !self.tenants.is_full(namespace, self.limits.namespace_series_max)
        {
            return None;
        }
        let number = self.insert_overflow(now_us)?;
        self.tenants.put_overflow(reporter, namespace.clone(), number);
        Some(number)
    }

    fn overflow_of(&mut self, reporter: Reporter, now_us: u64) -> u32 {
        if let Some((_, number)) = self.overflow.iter().find(|(known, _)| *known == reporter) {
            let number = *number;
            if let Some(series) = self.get_mut(SeriesId(number)) {
                series.touch(now_us);
            }
            return number;
        }
        let number = self.insert_overflow(now_us).unwrap_or(NONE);
        self.overflow.push((reporter, number));
        number
    }

    /// Room for what has no edge of its own.
    fn insert_overflow(&mut self, now_us: u64) -> Option<u32> {
        self.insert(NONE, Outcome::default().into(), NONE, now_us)
    }

    fn insert(&mut self, edge: u32, outcome: Ended, next: u32, now_us: u64) -> Option<u32> {
        let now_s = seconds(now_us);
        let series = Series { created_s: now_s, last_s: now_s, ..Series::default() };
        let number = u32::try_from(self.series.vacant_key()).ok().filter(|number| *number != NONE)?;
        self.series.insert(Entry { edge, next, outcome, series });
        Some(number)
    }
}

#[cfg(test)]
mod tests;
