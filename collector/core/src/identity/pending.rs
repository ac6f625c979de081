//! Pending resolution: what was reported of an edge whose peer may be identified in a moment, since the
//! proxies of both sides begin to report at about the same time.
//!
//! In: values by reported edge and outcome. Out: the same values, when the edge can be resolved or when
//! their time is over. Invariant: every value leaves once; at most `groups_max` groups are pending, and a
//! value that finds no room is to be resolved at once.

use crate::batch::{Edge, Identity, Outcome};
use crate::snapshot::codec::snapshot;
use std::collections::HashMap;
use std::sync::Arc;

/// Bounds of what is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLimits {
    /// Largest number of groups: one per proxy, edge and outcome.
    pub groups_max: usize,
    /// Longest time that a group is pending.
    pub wait_us_max: u64,
}

impl Default for PendingLimits {
    fn default() -> Self {
        Self { groups_max: 10_000, wait_us_max: 2_000_000 }
    }
}

/// An edge and outcome as one proxy reported them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReportedEdge {
    /// Identity of the reporting proxy.
    pub own: Arc<Identity>,
    /// The edge.
    pub edge: Arc<Edge>,
    /// The outcome.
    pub outcome: Outcome,
}

snapshot!(struct ReportedEdge { own, edge, outcome });

/// Groups that are pending.
#[derive(Debug, Clone)]
pub struct Pending<T> {
    limits: PendingLimits,
    /// Values, and the time until which each is pending.
    groups: HashMap<ReportedEdge, (T, u64), foldhash::quality::RandomState>,
    /// Generation of the address book as of the last search for groups that can be resolved.
    generation: u64,
    rejected: u64,
}

impl<T: Default> Pending<T> {
    /// Creates an empty set.
    #[must_use]
    pub fn new(limits: PendingLimits) -> Self {
        Self { limits, groups: HashMap::default(), generation: 0, rejected: 0 }
    }

    /// Sets other limits. Groups that are pending keep their time.
    pub fn limit(&mut self, limits: PendingLimits) {
        self.limits = limits;
    }

    /// The group of a reported edge, to add to; `None`, which is counted, when there is no room for it.
    pub fn group(&mut self, reported: &ReportedEdge, now_us: u64) -> Option<&mut T> {
        if !self.groups.contains_key(reported) {
            if self.groups.len() >= self.limits.groups_max {
                self.rejected = self.rejected.saturating_add(1);
                return None;
            }
            let due_us = now_us.saturating_add(self.limits.wait_us_max);
            self.groups.insert(reported.clone(), (T::default(), due_us));
        }
        self.groups.get_mut(reported).map(|(value, _)| value)
    }

    /// Removes and returns the groups that are due, and, if `generation` changed, those that `is_ready`
    /// accepts. `generation`: that of the address book.
    pub fn remove_ready(
        &mut self,
        now_us: u64,
        generation: u64,
        mut is_ready: impl FnMut(&ReportedEdge) -> bool,
    ) -> Vec<(ReportedEdge, T)> {
        let changed = std::mem::replace(&mut self.generation, generation) != generation;
        let ready = self
            .groups
            .extract_if(|reported, (_, due_us)| *due_us <= now_us || (changed && is_ready(reported)));
        ready.map(|(reported, (value, _))| (reported, value)).collect()
    }

    /// Removes and returns all groups.
    pub fn remove_all(&mut self) -> Vec<(ReportedEdge, T)> {
        self.groups.drain().map(|(reported, (value, _))| (reported, value)).collect()
    }

    /// All groups with the time until which each is pending, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ReportedEdge, &T, u64)> {
        self.groups.iter().map(|(reported, (value, due_us))| (reported, value, *due_us))
    }

    /// The group of what was pending before a restart, whatever the limits say.
    pub(crate) fn restore_group(&mut self, reported: ReportedEdge, due_us: u64) -> &mut T {
        let (value, _) = self.groups.entry(reported).or_insert_with(|| (T::default(), due_us));
        value
    }

    /// Number of groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether no group is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Values that found no room.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}
