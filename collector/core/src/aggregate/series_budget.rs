//! How many series each namespace has, and where the rest of it is counted.
//!
//! In: series that come and go, by the namespace of the proxies that tell of them. Out: whether there is room for one more.
//! Always holds: at most [`OVERFLOWS_MAX`] namespaces have an overflow series of their own; the rest share those of the
//! reporters.

use crate::batch::{Reporter, Text};
use crate::identity::ResolvedEdge;
use std::collections::HashMap;

/// Overflow series with the name of a namespace.
const OVERFLOWS_MAX: usize = 1_000;

/// See above.
#[derive(Debug, Clone, Default)]
pub(super) struct Tenants {
    series: HashMap<Text, usize>,
    overflow: HashMap<(Reporter, Text), u32>,
}

/// The namespace of the proxy that tells of an edge.
pub(crate) fn tenant(edge: &ResolvedEdge) -> &Text {
    match edge.reporter {
        Reporter::Destination => &edge.destination.namespace,
        Reporter::Source | Reporter::Waypoint => &edge.source.namespace,
    }
}

impl Tenants {
    /// Whether a namespace has as many series as it may have.
    pub(super) fn is_full(&self, namespace: &str, series_max: Option<usize>) -> bool {
        series_max.is_some_and(|max| self.series.get(namespace).copied().unwrap_or(0) >= max)
    }

    pub(super) fn add(&mut self, namespace: &Text) {
        *self.series.entry(namespace.clone()).or_default() += 1;
    }

    pub(super) fn take(&mut self, namespace: &str) {
        let left = self.series.get_mut(namespace).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            self.series.remove(namespace);
        }
    }

    /// The overflow series of a namespace.
    pub(super) fn overflow(&self, reporter: Reporter, namespace: &Text) -> Option<u32> {
        self.overflow.get(&(reporter, namespace.clone())).copied()
    }

    /// Whose overflow series it is.
    pub(super) fn key(&self, series: u32) -> Option<(Reporter, Text)> {
        let found = self.overflow.iter().find(|(_, known)| **known == series);
        found.map(|((reporter, namespace), _)| (*reporter, namespace.clone()))
    }

    /// Whether one more namespace may have one.
    pub(super) fn may_overflow(&self) -> bool {
        self.overflow.len() < OVERFLOWS_MAX
    }

    pub(super) fn put_overflow(&mut self, reporter: Reporter, namespace: Text, series: u32) {
        self.overflow.insert((reporter, namespace), series);
    }

    /// Overflow series with the name of a namespace.
    pub(super) fn overflows(&self) -> usize {
        self.overflow.len()
    }
}
