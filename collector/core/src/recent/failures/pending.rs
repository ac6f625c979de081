//! Failed records whose peer may get a name in a moment.
//!
//! In: what one proxy told of one edge. Out: the same, when it can be named or its time is over. Always holds: as many groups
//! wait as of counts, and no more records than may be kept at all; of one edge the oldest goes, and is counted.

use super::Failed;
use crate::batch::{Edge, Identity};
use crate::identity::PendingLimits;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

type Told = (Arc<Identity>, Arc<Edge>);

/// See above.
#[derive(Debug, Default)]
pub struct Waiting {
    limits: PendingLimits,
    groups: HashMap<Told, (VecDeque<Failed>, u64)>,
    records: usize,
    /// As of which names it was looked at.
    generation: u64,
}

impl Waiting {
    /// None waits.
    #[must_use]
    pub fn new(limits: PendingLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Other limits from now on.
    pub fn limit(&mut self, limits: PendingLimits) {
        self.limits = limits;
    }

    /// Takes failed records in, and says how many of their edge went for them; gives them back when there is no room.
    pub fn put(
        &mut self,
        told: Told,
        mut failed: VecDeque<Failed>,
        (edge_records_max, records_max): (usize, usize),
        now_us: u64,
    ) -> Result<u64, VecDeque<Failed>> {
        let is_full = self.groups.len() >= self.limits.groups_max && !self.groups.contains_key(&told);
        if is_full || self.records.saturating_add(failed.len()) > records_max {
            return Err(failed);
        }
        let due_us = now_us.saturating_add(self.limits.wait_us_max);
        let (waiting, _) = self.groups.entry(told).or_insert_with(|| (VecDeque::new(), due_us));
        let before = waiting.len();
        waiting.append(&mut failed);
        let excess = waiting.len().saturating_sub(edge_records_max);
        waiting.drain(..excess);
        self.records = (self.records + waiting.len()).saturating_sub(before);
        Ok(excess as u64)
    }

    /// Takes out what is due and what `ready` says can be named now. `generation` grows with the names that there are.
    pub fn take(
        &mut self,
        now_us: u64,
        generation: u64,
        mut ready: impl FnMut(&Identity, &Edge) -> bool,
    ) -> Vec<(Told, VecDeque<Failed>)> {
        let news = std::mem::replace(&mut self.generation, generation) != generation;
        let due =
            self.groups.extract_if(|(own, edge), (_, due_us)| *due_us <= now_us || news && ready(own, edge));
        let taken: Vec<_> = due.map(|(told, (failed, _))| (told, failed)).collect();
        self.records = self.records.saturating_sub(taken.iter().map(|(_, failed)| failed.len()).sum());
        taken
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }
}
