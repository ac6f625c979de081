//! Budget of series: how many have labels of their own, in total and for each namespace.
//!
//! In: series that are added and removed, by the namespace of the proxy that reports them. Out:
//! where a new series is counted. Invariant: at most [`NAMESPACE_OVERFLOWS_MAX`] namespaces have an
//! overflow series of their own; the others share the overflow series of the reporter.
//!
//! Requests, TCP connections and streams each have a budget of this kind.

use super::Settings;
use crate::batch::{Reporter, Text};
use crate::identity::ResolvedEdge;
use std::collections::{HashMap, HashSet};

/// Largest number of overflow series that carry the name of a namespace.
const NAMESPACE_OVERFLOWS_MAX: usize = 1_000;

/// Where requests or connections without a series of their own are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// In the overflow series of the reporter.
    Reporter,
    /// In the overflow series of the reporter and the namespace, which has as many series as it
    /// may.
    Namespace,
}

/// Number of series with labels of their own.
#[derive(Debug, Clone, Default)]
pub(super) struct SeriesBudget {
    series: usize,
    by_namespace: HashMap<Text, usize>,
    overflows: HashSet<(Reporter, Text)>,
}

/// Namespace of the proxy that reports an edge.
pub(crate) fn reporting_namespace(edge: &ResolvedEdge) -> &Text {
    match edge.reporter {
        Reporter::Destination => &edge.destination.namespace,
        Reporter::Source | Reporter::Waypoint => &edge.source.namespace,
    }
}

impl SeriesBudget {
    /// Number of series with labels of their own.
    pub(super) fn len(&self) -> usize {
        self.series
    }

    /// Whether a namespace may have one more series.
    pub(super) fn has_capacity(&self, namespace: &str, limits: &Settings) -> bool {
        self.series < limits.series_max && !self.is_full(namespace, limits)
    }

    /// Returns the overflow series of requests without a series of their own.
    pub(super) fn overflow(&mut self, reporter: Reporter, namespace: &Text, limits: &Settings) -> Overflow {
        if !self.is_full(namespace, limits) {
            return Overflow::Reporter;
        }
        let key = (reporter, namespace.clone());
        if self.overflows.contains(&key) {
            return Overflow::Namespace;
        }
        if self.overflows.len() >= NAMESPACE_OVERFLOWS_MAX {
            return Overflow::Reporter;
        }
        self.overflows.insert(key);
        Overflow::Namespace
    }

    /// Counts a new series of a namespace.
    pub(super) fn add(&mut self, namespace: &Text) {
        self.series += 1;
        *self.by_namespace.entry(namespace.clone()).or_default() += 1;
    }

    /// Counts an overflow series that was restored.
    pub(super) fn add_overflow(&mut self, reporter: Reporter, namespace: Text) {
        self.overflows.insert((reporter, namespace));
    }

    /// Subtracts a removed series of a namespace.
    pub(super) fn remove(&mut self, namespace: &str) {
        self.series = self.series.saturating_sub(1);
        let left = self.by_namespace.get_mut(namespace).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            self.by_namespace.remove(namespace);
        }
    }

    fn is_full(&self, namespace: &str, limits: &Settings) -> bool {
        let count = || self.by_namespace.get(namespace).copied().unwrap_or(0);
        limits.namespace_series_max.is_some_and(|max| count() >= max)
    }
}
