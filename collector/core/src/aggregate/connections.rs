//! TCP connections, and what streams move.
//!
//! In: reports, with their edges named, and the time. Out: per edge and how they ended, how many were opened and closed,
//! how long those lasted, and the bytes of all, open ones too. Always holds: the closed connections of all series are the
//! connections of the reports that came in, those apart that wait for their peer's name; nothing here is a request, and no
//! request is here; as many series as of requests have a name of their own, and what is more is counted in one overflow
//! series per reporter, or, where a namespace has as many as it may, per reporter and namespace.
//!
//! What an open connection moves is told before anybody knows how it will end; so it is counted under no response flag, and
//! only what was not told by then under the flag of its end, as Istio does it. A stream is a request, and is counted as one
//! with all of its bytes when it ends; what its bodies move until then is here, in [`ConnectionSeries`] of its own, once.

use crate::aggregate::{Key, Limits, tenant};
use crate::batch::{Batch, Flow, Fold, Identity, Outcome, Protocol, Record, Text};
use crate::histogram::durations::Durations;
use crate::identity::{AddressBook, PendingLimits, ResolvedEdge, Told};
use crate::snapshot::codec::snapshot;
use std::collections::HashMap;
use std::sync::Arc;

/// The sum over some connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were opened.
    pub opened: u64,
    /// How long those lasted that were closed.
    pub durations: Durations,
    /// Bytes from the clients, of open ones, too.
    pub request_bytes: u64,
    /// Bytes to the clients, of open ones, too.
    pub response_bytes: u64,
}

snapshot!(struct Counts { opened, durations, request_bytes, response_bytes });

impl Counts {
    /// How many were closed.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.durations.count()
    }

    /// Adds others.
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

/// What was counted under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// What.
    pub counts: Counts,
    /// When it began, microseconds since the Unix epoch.
    pub created_us: u64,
    /// When something was added last.
    pub last_us: u64,
}

snapshot!(struct Series { counts, created_us, last_us });

/// All connections, or all streams.
#[derive(Debug, Clone, Default)]
pub struct ConnectionSeries {
    limits: Limits,
    waiting_limits: PendingLimits,
    series: HashMap<Key, Series>,
    /// How many series each namespace has.
    tenants: HashMap<Text, usize>,
    /// What may get a better name, and until when it waits for that.
    waiting: HashMap<Told, (Counts, u64)>,
    expired_closed: u64,
}

snapshot!(state ConnectionSeries { series, waiting, expired_closed } skip { limits, waiting_limits, tenants });

impl ConnectionSeries {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(limits: Limits, waiting_limits: PendingLimits) -> Self {
        Self { limits, waiting_limits, ..Self::default() }
    }

    /// Other limits from now on. What is held stays.
    pub fn limit(&mut self, limits: Limits, waiting_limits: PendingLimits) {
        self.limits = limits;
        self.waiting_limits = waiting_limits;
    }

    /// Counts groups of a batch: [`connections`], or [`streams`].
    pub fn take(
        &mut self,
        batch: &Batch,
        groups: Vec<Group>,
        own: &Arc<Identity>,
        book: &mut AddressBook,
        now_us: u64,
    ) {
        for (edge, outcome, counts) in groups {
            let Some(edge) = batch.edges.get(edge) else { continue };
            let told = Told { own: own.clone(), edge: edge.clone(), outcome };
            if !self.wait(&told, &counts, book, now_us) {
                self.count(&told, &counts, book, now_us);
            }
        }
    }

    /// Counts what waited, and can be named now, or has waited for long.
    pub fn settle(&mut self, book: &mut AddressBook, now_us: u64) {
        let mut ready = |told: &Told| {
            let named = book.complete(&told.own, &told.edge);
            !book.may_improve(&told.edge, &named)
        };
        let due = self.waiting.extract_if(|told, (_, due_us)| *due_us <= now_us || ready(told));
        for (told, (counts, _)) in due.collect::<Vec<_>>() {
            self.count(&told, &counts, book, now_us);
        }
    }

    /// Counts all that waits.
    pub fn close(&mut self, book: &mut AddressBook, now_us: u64) {
        for (told, (counts, _)) in std::mem::take(&mut self.waiting) {
            self.count(&told, &counts, book, now_us);
        }
    }

    /// Takes out series that nothing was added to for long.
    pub fn expire(&mut self, now_us: u64) {
        let idle_since = now_us.saturating_sub(self.limits.idle_us_max);
        let Self { series, expired_closed, tenants, .. } = self;
        series.retain(|key, series| {
            let Key::Edge(edge, _) = key else { return true };
            let stays = series.last_us >= idle_since;
            if !stays {
                *expired_closed = expired_closed.saturating_add(series.counts.closed());
                if let Some(count) = tenants.get_mut(tenant(edge)) {
                    *count = count.saturating_sub(1);
                }
            }
            stays
        });
        tenants.retain(|_, count| *count > 0);
    }

    /// Every series, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Series)> {
        self.series.iter()
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Closed connections of series that were taken out.
    #[must_use]
    pub fn expired_closed(&self) -> u64 {
        self.expired_closed
    }

    fn wait(&mut self, told: &Told, counts: &Counts, book: &mut AddressBook, now_us: u64) -> bool {
        if let Some((waiting, _)) = self.waiting.get_mut(told) {
            waiting.merge(counts);
            return true;
        }
        let named = book.complete(&told.own, &told.edge);
        let waits =
            book.may_improve(&told.edge, &named) && self.waiting.len() < self.waiting_limits.groups_max;
        if waits {
            let due_us = now_us.saturating_add(self.waiting_limits.wait_us_max);
            self.waiting.insert(told.clone(), (counts.clone(), due_us));
        }
        waits
    }

    fn count(&mut self, told: &Told, counts: &Counts, book: &mut AddressBook, now_us: u64) {
        let named = Arc::new(book.resolve_final(&told.own, &told.edge));
        let mut key = Key::Edge(named.clone(), told.outcome);
        if !self.series.contains_key(&key) {
            key = self.new_key(&named, key);
        }
        let begun = || Series { created_us: now_us, ..Series::default() };
        let series = self.series.entry(key).or_insert_with(begun);
        series.counts.merge(counts);
        series.last_us = series.last_us.max(now_us);
    }

    /// Where a series is counted that there is none of yet: under its own name, as long as there is room for it.
    fn new_key(&mut self, named: &ResolvedEdge, own: Key) -> Key {
        let named_series = self.series.keys().filter(|key| matches!(key, Key::Edge(..)));
        if self.tenants.values().sum::<usize>() == 0 {
            // None yet, or all of them come out of a checkpoint.
            for key in named_series {
                let Key::Edge(edge, _) = key else { continue };
                *self.tenants.entry(tenant(edge).clone()).or_default() += 1;
            }
        }
        let tenant = tenant(named);
        let count = self.tenants.get(tenant).copied().unwrap_or(0);
        if self.limits.namespace_series_max.is_some_and(|max| count >= max) {
            let overflow = Key::TenantOverflow(named.reporter, tenant.clone());
            let overflows =
                || self.series.keys().filter(|key| matches!(key, Key::TenantOverflow(..))).count();
            if self.series.contains_key(&overflow) || overflows() < TENANT_OVERFLOWS_MAX {
                return overflow;
            }
            return Key::Overflow(named.reporter);
        }
        if self.series.len() >= self.limits.series_max {
            return Key::Overflow(named.reporter);
        }
        *self.tenants.entry(tenant.clone()).or_default() += 1;
        own
    }
}

/// Overflow series with the name of a namespace.
const TENANT_OVERFLOWS_MAX: usize = 1_000;

/// The place of an edge in [`Batch::edges`], how they ended, and how many and how much.
pub type Group = (usize, Outcome, Counts);

/// What streams of a batch moved, by edge.
#[must_use]
pub fn streams(batch: &Batch) -> Vec<Group> {
    let group = |flow: &Flow| {
        let mut counts = Counts { opened: flow.opened, ..Counts::default() };
        counts.move_bytes(flow.request_bytes, flow.response_bytes);
        (flow.edge, Outcome::default(), counts)
    };
    batch.streams.iter().map(group).collect()
}

/// The connections of a batch by edge and how they ended.
#[must_use]
pub fn connections(batch: &Batch) -> Vec<Group> {
    let told = &batch.connections;
    if told.is_empty() {
        return Vec::new();
    }
    let is_continued = |outcome: usize| told.continued.get(outcome).copied().unwrap_or(false);
    let mut groups: HashMap<(usize, Outcome), Counts> = HashMap::new();
    let mut group = |edge: usize, outcome: usize, closed: u64, add: &mut dyn FnMut(&mut Counts)| {
        // One that was told as opened ends in the series that it would else end in.
        let ended = batch.outcomes.get(outcome).copied().unwrap_or_default();
        let counts = groups.entry((edge, ended)).or_default();
        counts.opened = counts.opened.saturating_add(if is_continued(outcome) { 0 } else { closed });
        add(counts);
    };
    for record in &told.closed {
        group(record.edge, record.outcome, 1, &mut |counts| counts.record(record));
    }
    for fold in &told.folds {
        group(fold.edge, fold.outcome, fold.count, &mut |counts| counts.fold(fold));
    }
    for row in &told.open {
        let unended = Outcome { protocol: Protocol::Tcp, ..Outcome::default() };
        let counts = groups.entry((row.edge, unended)).or_default();
        counts.opened = counts.opened.saturating_add(row.opened);
        counts.move_bytes(row.request_bytes, row.response_bytes);
    }
    groups.into_iter().map(|((edge, outcome), counts)| (edge, outcome, counts)).collect()
}

#[cfg(test)]
mod tests;
