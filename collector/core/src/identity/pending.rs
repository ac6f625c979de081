//! Requests whose peer may get a name in a moment: the proxies of both sides begin to batch at about the same time.
//!
//! In: measured groups with an edge that could be better named. Out: the same, when they can be or when their time is
//! over. Always holds: what goes in comes out once; at most `groups_max` wait, and a group that finds no room is named at
//! once as well as can be.

use crate::batch::{Edge, Identity, Outcome};
use crate::histogram::RequestStats;
use crate::snapshot::codec::snapshot;
use std::collections::HashMap;
use std::sync::Arc;

/// How many groups wait, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLimits {
    /// Groups: one per epoch_id, edge and outcome.
    pub groups_max: usize,
    /// The longest wait.
    pub wait_us_max: u64,
}

impl Default for PendingLimits {
    fn default() -> Self {
        Self { groups_max: 10_000, wait_us_max: 2_000_000 }
    }
}

/// One edge and outcome as one proxy told it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// Who told.
    pub own: Arc<Identity>,
    /// The edge.
    pub edge: Arc<Edge>,
    /// The outcome.
    pub outcome: Outcome,
}

snapshot!(struct Told { own, edge, outcome });

/// What waits.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    limits: PendingLimits,
    groups: HashMap<Told, (RequestStats, u64)>,
}

snapshot!(state Waiting { groups } skip { limits });

impl Waiting {
    /// An empty room.
    #[must_use]
    pub fn new(limits: PendingLimits) -> Self {
        Self { limits, groups: HashMap::new() }
    }

    /// Other limits from now on. What waits already keeps its time.
    pub fn limit(&mut self, limits: PendingLimits) {
        self.limits = limits;
    }

    /// Takes a group in; `false` when the room is full.
    pub fn put(&mut self, told: &Told, measure: &RequestStats, now_us: u64) -> bool {
        if let Some((waiting, _)) = self.groups.get_mut(told) {
            waiting.merge(measure);
            return true;
        }
        if self.groups.len() >= self.limits.groups_max {
            return false;
        }
        let due_us = now_us.saturating_add(self.limits.wait_us_max);
        self.groups.insert(told.clone(), (measure.clone(), due_us));
        true
    }

    /// Takes a group in whatever the limits say, to be taken out at once.
    pub(crate) fn put_at_once(&mut self, told: &Told, measure: &RequestStats) {
        let (waiting, _) = self.groups.entry(told.clone()).or_default();
        waiting.merge(measure);
    }

    /// Takes out what is due and what `ready` says can be named now.
    pub fn take(&mut self, now_us: u64, mut ready: impl FnMut(&Told) -> bool) -> Vec<(Told, RequestStats)> {
        let taken = self.groups.extract_if(|told, (_, due_us)| *due_us <= now_us || ready(told));
        taken.map(|(told, (measure, _))| (told, measure)).collect()
    }

    /// Takes everything out.
    pub fn take_all(&mut self) -> Vec<(Told, RequestStats)> {
        self.groups.drain().map(|(told, (measure, _))| (told, measure)).collect()
    }

    /// How many groups wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// How many requests are in them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.groups.values().fold(0, |sum, (measure, _)| sum.saturating_add(measure.count()))
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}
