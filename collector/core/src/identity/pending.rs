//! Values that are pending resolution: the peer of their edge may be identified soon, since the
//! proxies of both sides begin to report at about the same time.
//!
//! In: values by reported edge and outcome. Out: the same values, when the edge can be resolved or
//! when they are due. Invariant: every value leaves once; at most `groups_max` groups are pending,
//! and a value of one more is to be resolved at once; groups leave in the order of their arrival,
//! so that a replay resolves them in the same order.

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

/// One group.
#[derive(Debug, Clone)]
struct Group<T> {
    value: T,
    /// Time until which the group is pending.
    due_us: u64,
    /// Position in the order of arrival.
    arrival: u64,
}

/// Groups that are pending.
#[derive(Debug, Clone)]
pub struct Pending<T> {
    limits: PendingLimits,
    groups: HashMap<ReportedEdge, Group<T>, foldhash::quality::RandomState>,
    /// Number of groups so far.
    arrivals: u64,
    /// Generation of the address book as of the last search for groups that can be resolved.
    generation: u64,
    rejected: u64,
}

impl<T: Default> Pending<T> {
    /// Creates an empty set.
    #[must_use]
    pub fn new(limits: PendingLimits) -> Self {
        Self { limits, groups: HashMap::default(), arrivals: 0, generation: 0, rejected: 0 }
    }

    /// Sets other limits. Groups that are pending keep their time.
    pub fn limit(&mut self, limits: PendingLimits) {
        self.limits = limits;
    }

    /// The group of a reported edge, to add to; `None`, which is counted, when too many are
    /// pending.
    pub fn group(&mut self, reported: &ReportedEdge, now_us: u64) -> Option<&mut T> {
        if !self.groups.contains_key(reported) {
            if self.groups.len() >= self.limits.groups_max {
                self.rejected = self.rejected.saturating_add(1);
                return None;
            }
            let due_us = now_us.saturating_add(self.limits.wait_us_max);
            let group = self.new_group(due_us);
            self.groups.insert(reported.clone(), group);
        }
        self.groups.get_mut(reported).map(|group| &mut group.value)
    }

    /// Removes and returns the groups that are due, and, if `generation` changed, those that
    /// `is_ready` accepts. `generation`: that of the address book.
    pub fn remove_ready(
        &mut self,
        now_us: u64,
        generation: u64,
        mut is_ready: impl FnMut(&ReportedEdge) -> bool,
    ) -> Vec<(ReportedEdge, T)> {
        let changed = std::mem::replace(&mut self.generation, generation) != generation;
        let ready = self
            .groups
            .extract_if(|reported, group| group.due_us <= now_us || (changed && is_ready(reported)));
        in_order(ready)
    }

    /// Removes and returns all groups.
    pub fn remove_all(&mut self) -> Vec<(ReportedEdge, T)> {
        in_order(self.groups.drain())
    }

    /// All groups with the time until which each is pending, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ReportedEdge, &T, u64)> {
        self.groups.iter().map(|(reported, group)| (reported, &group.value, group.due_us))
    }

    /// All groups with the time until which each is pending, in the order of their arrival.
    pub(crate) fn iter_in_order(&self) -> impl ExactSizeIterator<Item = (&ReportedEdge, &T, u64)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(_, group)| group.arrival);
        groups.into_iter().map(|(reported, group)| (reported, &group.value, group.due_us))
    }

    fn new_group(&mut self, due_us: u64) -> Group<T> {
        self.arrivals = self.arrivals.wrapping_add(1);
        Group { value: T::default(), due_us, arrival: self.arrivals }
    }

    /// The group of values that were pending before a restart, whatever the limits are.
    pub(crate) fn restore_group(&mut self, reported: ReportedEdge, due_us: u64) -> &mut T {
        let group = self.new_group(due_us);
        &mut self.groups.entry(reported).or_insert(group).value
    }

    /// Sets the number of rejected values before a restart.
    pub(crate) fn restore_rejected(&mut self, rejected: u64) {
        self.rejected = rejected;
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

    /// Values that were rejected because too many groups were pending.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

/// Sorts groups by their arrival.
fn in_order<T>(groups: impl Iterator<Item = (ReportedEdge, Group<T>)>) -> Vec<(ReportedEdge, T)> {
    let mut groups: Vec<_> = groups.collect();
    groups.sort_unstable_by_key(|(_, group)| group.arrival);
    groups.into_iter().map(|(reported, group)| (reported, group.value)).collect()
}
