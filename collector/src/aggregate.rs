//! Counters and histograms per series.
//!
//! In: named edges with what requests measured on them. Out: one [`Series`] per edge and outcome. Always holds: the
//! counts of all series add up to the requests that came in; at most `series_max` series have a name of their own, and
//! what is more is counted in one overflow series per reporter; a series that nothing was added to for long is taken
//! out, and what it counted stays in a sum.

use crate::checkpoint::keep::{Keep, Reader, Unreadable, Writer, keep};
use crate::identity::NamedEdge;
use crate::measure::Measure;
use crate::report::{Outcome, Reporter};
use std::collections::HashMap;
use std::sync::Arc;

/// How many series are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Series with labels of their own.
    pub series_max: usize,
    /// A series without requests for so long is taken out.
    pub idle_us_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series_max: 100_000, idle_us_max: 24 * 3600 * 1_000_000 }
    }
}

/// What tells one series from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An edge and how its requests ended.
    Edge(Arc<NamedEdge>, Outcome),
    /// What found no room.
    Overflow(Reporter),
}

impl Key {
    /// Which side tells.
    #[must_use]
    pub fn reporter(&self) -> Reporter {
        match self {
            Self::Edge(edge, _) => edge.reporter,
            Self::Overflow(reporter) => *reporter,
        }
    }
}

impl Keep for Key {
    fn save(&self, to: &mut Writer) {
        match self {
            Self::Edge(edge, outcome) => {
                to.number(0);
                edge.save(to);
                outcome.save(to);
            }
            Self::Overflow(reporter) => {
                to.number(1);
                reporter.save(to);
            }
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match from.number()? {
            0 => Ok(Self::Edge(Arc::load(from)?, Outcome::load(from)?)),
            1 => Ok(Self::Overflow(Reporter::load(from)?)),
            _ => Err(from.broken("no such Key")),
        }
    }
}

/// What was counted under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// Counts, durations, sizes.
    pub measure: Measure,
    /// When it began, microseconds since the Unix epoch.
    pub created_us: u64,
    /// When something was added last.
    pub last_us: u64,
}

keep!(struct Series { measure, created_us, last_us });

/// All series.
#[derive(Debug, Clone, Default)]
pub struct Aggregate {
    limits: Limits,
    series: HashMap<Key, Series>,
    overflowing: usize,
    overflowed: u64,
    expired_series: u64,
    expired_requests: u64,
}

keep!(room Aggregate {
    series, overflowing, overflowed, expired_series, expired_requests,
} besides { limits });

impl Aggregate {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Other limits from now on. Series that are there stay.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Counts requests of an edge that ended alike.
    pub fn add(&mut self, edge: NamedEdge, outcome: Outcome, measure: &Measure, now_us: u64) {
        let reporter = edge.reporter;
        let key = Key::Edge(Arc::new(edge), outcome);
        if self.series.contains_key(&key) || self.named() < self.limits.series_max {
            return self.count(key, measure, now_us);
        }
        self.overflowed = self.overflowed.saturating_add(measure.count());
        let key = Key::Overflow(reporter);
        if !self.series.contains_key(&key) {
            self.overflowing += 1;
        }
        self.count(key, measure, now_us);
    }

    /// Takes out what nothing was added to for long.
    pub fn expire(&mut self, now_us: u64) {
        let idle_since = now_us.saturating_sub(self.limits.idle_us_max);
        let Self { series, expired_series, expired_requests, .. } = self;
        series.retain(|key, series| {
            let stays = series.last_us >= idle_since || matches!(key, Key::Overflow(_));
            if !stays {
                *expired_series = expired_series.saturating_add(1);
                *expired_requests = expired_requests.saturating_add(series.measure.count());
            }
            stays
        });
    }

    /// Every series, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Series)> {
        self.series.iter()
    }

    /// Series with labels of their own.
    #[must_use]
    pub fn named(&self) -> usize {
        self.series.len().saturating_sub(self.overflowing)
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

    fn count(&mut self, key: Key, measure: &Measure, now_us: u64) {
        let series =
            self.series.entry(key).or_insert_with(|| Series { created_us: now_us, ..Series::default() });
        series.measure.merge(measure);
        series.last_us = series.last_us.max(now_us);
    }
}

#[cfg(test)]
mod tests;
