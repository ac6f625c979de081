//! Requests that have begun and not ended.
//!
//! In: what each batch says is open, and the time. Out: per proxy how many, and the edges of those that do not end. Always
//! holds: of an epoch only what its latest batch said counts, and nothing once it was silent for [`SILENT_US_MAX`]; ages go
//! on between two batches; there are at most as many epochs as in the ledger, since only a batch that it took comes here.

pub(crate) mod metrics;

use crate::batch::{Batch, EpochId, Reporter, Text};
use crate::identity::ResolvedEdge;
use std::collections::{BTreeMap, HashMap};

/// An epoch is heard of every 15 s; one that missed three of these is gone, and its requests with it.
pub const SILENT_US_MAX: u64 = 45 * 1_000_000;

/// All epochs that have something open.
#[derive(Debug, Clone, Default)]
pub struct InFlightRequests {
    epochs: HashMap<EpochId, Told, foldhash::quality::RandomState>,
}

/// What the latest batch of an epoch said.
#[derive(Debug, Clone)]
struct Told {
    sequence: u64,
    heard_us: u64,
    sides: Vec<Side>,
}

#[derive(Debug, Clone)]
struct Side {
    reporter: Reporter,
    open: Open,
    long: Vec<(ResolvedEdge, Open)>,
}

/// A number of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    /// How many.
    pub count: u64,
    /// Those that are open for longer than their proxy's threshold.
    pub long_count: u64,
    /// Age of the oldest by now.
    pub oldest_age_us: u64,
    /// What the bodies of those that do not end had brought a few seconds ago; 0 in a sum over all that is open.
    pub request_bytes: u64,
    /// The other way.
    pub response_bytes: u64,
}

impl Open {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.long_count = self.long_count.saturating_add(other.long_count);
        self.oldest_age_us = self.oldest_age_us.max(other.oldest_age_us);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
    }

    fn later(self, by_us: u64) -> Self {
        Self { oldest_age_us: self.oldest_age_us.saturating_add(by_us), ..self }
    }
}

impl InFlightRequests {
    /// Replaces what the epoch of a batch has in flight. `resolve`: the edge at an index of the batch.
    pub fn tell(
        &mut self,
        batch: &Batch,
        mut resolve: impl FnMut(usize) -> Option<ResolvedEdge>,
        now_us: u64,
    ) {
        if self.epochs.get(&batch.epoch_id).is_some_and(|told| told.sequence > batch.sequence) {
            return;
        }
        if batch.open.is_empty() {
            self.epochs.remove(&batch.epoch_id);
            return;
        }
        let sides = batch.open.iter().map(|told| Side {
            reporter: told.reporter,
            open: Open {
                count: told.count,
                long_count: told.long_count,
                oldest_age_us: told.oldest_age_us,
                ..Open::default()
            },
            long: told
                .long
                .iter()
                .filter_map(|row| {
                    let edge = resolve(row.edge)?;
                    let open = Open {
                        count: row.count,
                        long_count: row.count,
                        oldest_age_us: row.oldest_age_us,
                        request_bytes: row.request_bytes,
                        response_bytes: row.response_bytes,
                    };
                    Some((edge, open))
                })
                .collect(),
        });
        let told = Told { sequence: batch.sequence, heard_us: now_us, sides: sides.collect() };
        self.epochs.insert(batch.epoch_id.clone(), told);
    }

    /// Whether no epoch has anything in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }

    /// Lets time pass: forgets who was silent for long.
    pub fn expire(&mut self, now_us: u64) {
        self.epochs.retain(|_, told| now_us.saturating_sub(told.heard_us) <= SILENT_US_MAX);
    }

    /// What each proxy has open, by reporter.
    #[must_use]
    pub fn proxies(&self, now_us: u64) -> BTreeMap<(Text, Reporter), Open> {
        let mut proxies: BTreeMap<_, Open> = BTreeMap::new();
        for (epoch_id, told) in &self.epochs {
            for side in &told.sides {
                let by_us = now_us.saturating_sub(told.heard_us);
                proxies
                    .entry((epoch_id.proxy.clone(), side.reporter))
                    .or_default()
                    .add(side.open.later(by_us));
            }
        }
        proxies
    }

    /// What does not end, by proxy and edge; the epochs of a proxy are added up.
    #[must_use]
    pub fn long(&self, now_us: u64) -> HashMap<(Text, ResolvedEdge), Open> {
        let mut long: HashMap<_, Open> = HashMap::new();
        for (epoch_id, told) in &self.epochs {
            let by_us = now_us.saturating_sub(told.heard_us);
            for (edge, open) in told.sides.iter().flat_map(|side| &side.long) {
                long.entry((epoch_id.proxy.clone(), edge.clone())).or_default().add(open.later(by_us));
            }
        }
        long
    }
}

#[cfg(test)]
mod tests;
