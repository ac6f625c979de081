//! All stages from the ledger to the windows, and the order in which a batch passes them.
//!
//! In: batches, and the time. Out: answers, and the state that the API reads. Invariant: a batch is
//! counted if and only if it is accepted; every request and connection of an accepted batch is
//! counted in a series or is pending resolution; every record of a request is also joined with that
//! of the other side, or is pending in the join. The engine does no I/O and reads no clock.

mod settings_codec;
mod lookahead;
mod caller_inference;
mod batch_scratch;
mod count;
mod connections;
mod detect;
mod exemplars;
mod in_flight;
mod failed_records;
mod notable;
mod pending;
mod edge_cache;
mod settings;
mod stages;
pub mod snapshot;
mod tallies;
pub mod metrics;

use crate::aggregate::connections::{streams, tcp};
use crate::aggregate::reporting_namespace;
use crate::batch::{Batch, EpochId, Identity, Record};
use crate::identity::{EdgeId, ResolvedEdge};
use crate::intake::raw_batch::RawBatch;
use crate::intake::reject::Rejection;
use crate::ledger::Admission;
use batch_scratch::BatchScratch;
use pending::ConnectionKind;
pub use pending::PendingEdges;
pub use settings::Settings;
use stages::{engine, stages};
use std::collections::HashSet;
use std::sync::Arc;

/// Entries of the edge cache for each series that the limits allow: several proxies report each
/// edge.
const KNOWN_PER_SERIES: usize = 4;

/// The answer to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The batch is counted now, or was counted before.
    Accepted,
    /// The identity of the proxy is unknown.
    NeedIdentity,
    /// The table with this name is full.
    Full(&'static str),
}

stages!(engine);

impl Engine {
    /// Accepts a batch as it was received, at the time when it was received. `scratch`: memory for
    /// its records, reused from batch to batch.
    ///
    /// # Errors
    ///
    /// When its columns cannot be decoded: nothing of the batch is counted.
    pub fn accept(&mut self, raw: &mut RawBatch, scratch: &mut Vec<Record>) -> Result<Answer, Rejection> {
        let now_us = raw.times().received_us;
        let answer = match raw.read_records(scratch) {
            Ok(batch) => self.apply_batch(batch, now_us),
            Err(rejection) => {
                // An accepted batch stays accepted: its filter would count as dropped what is
                // counted here.
                let Batch { epoch_id, sequence, .. } = raw.head();
                return if self.ledger.has(epoch_id, *sequence) {
                    Ok(Answer::Accepted)
                } else {
                    Err(rejection)
                };
            }
        };
        raw.recycle(scratch);
        Ok(answer)
    }

    /// Accepts a batch. `now_us`: microseconds since the Unix epoch.
    ///
    /// The ledger comes before the address book: a batch that was accepted before changes nothing,
    /// so that a delayed duplicate cannot bring back an older identity.
    pub fn apply_batch(&mut self, batch: &Batch, now_us: u64) -> Answer {
        let proxy = &batch.epoch_id.proxy;
        match (&batch.identity, self.address_book.contains(proxy)) {
            (None, false) => return Answer::NeedIdentity,
            (Some(identity), false) if !self.address_book.admits(identity, now_us) => {
                return Answer::Full("proxies");
            }
            _ => {}
        }
        let owner = || self.address_book.owner(proxy, batch.identity.as_ref());
        match self.ledger.admit(batch, owner, now_us) {
            Admission::Full => return Answer::Full("epochs"),
            Admission::Duplicate => return Answer::Accepted,
            Admission::New => {}
        }
        if let Some(identity) = batch.identity.clone() {
            self.address_book.introduce(proxy, identity, now_us);
        }
        let Some(own) = self.address_book.reports(proxy, now_us) else { return Answer::NeedIdentity };
        self.run_stages(batch, &own, now_us);
        Answer::Accepted
    }

    /// Runs the stages behind the ledger over a batch that was not accepted before: exemplars and
    /// failures need the records that counting found to be notable, and all resolve edges through
    /// the cache that counting fills. `own`: the identity of its proxy.
    fn run_stages(&mut self, batch: &Batch, own: &Arc<Identity>, now_us: u64) {
        self.count_all(batch, own, now_us);
        let notable = std::mem::take(&mut self.scratch.notable);
        self.offer_exemplars(batch, &notable);
        self.store_failures(batch, &notable, own, now_us);
        self.scratch.notable = notable;
        self.apply_in_flight(batch, own, now_us);
        self.apply_connections(batch, ConnectionKind::Tcp, tcp(batch), own, now_us);
        self.apply_connections(batch, ConnectionKind::Stream, streams(batch), own, now_us);
        if batch.identity.is_some() {
            self.resolve_pending(now_us);
        }
    }

    /// Whether a batch would be answered with [`Answer::NeedIdentity`].
    #[must_use]
    pub fn is_unknown_proxy(&self, batch: &Batch) -> bool {
        batch.identity.is_none() && !self.address_book.contains(&batch.epoch_id.proxy)
    }

    /// Closes the ledger of an epoch that has ended and never comes again.
    pub fn end_epoch(&mut self, epoch_id: &EpochId, now_us: u64) {
        self.ledger.end(epoch_id, now_us);
    }

    /// Advances the time: resolves what is due, and expires what is idle. The join needs what has
    /// become resolved, and what it infers is counted before idle series end; edges outlive the
    /// series that use them.
    pub fn tick(&mut self, now_us: u64) {
        self.resolve_pending(now_us);
        self.ledger.tick(now_us);
        self.join.enable_caller_inference(!self.pending_callers.is_empty());
        self.join.tick(now_us);
        self.count_inferred(now_us);
        self.count_uninferred(now_us, now_us);
        self.in_flight.expire(now_us);
        self.address_book.expire(now_us);
        let mut expired = self.aggregate.expire(&self.edges, now_us);
        expired |= self.connections.expire(&self.edges, now_us);
        expired |= self.streams.expire(&self.edges, now_us);
        if expired || self.edges.is_full() {
            self.retain_edges();
        }
        self.windows.expire(now_us);
        self.run_detectors(now_us);
    }

    /// Removes the edges that no series uses any more, before their ids are issued again.
    fn retain_edges(&mut self) {
        let Self { edges, aggregate, connections, streams, windows, detect, .. } = self;
        let used: HashSet<EdgeId> = connections.used_edges().chain(streams.used_edges()).collect();
        edges.retain(|edge| aggregate.uses(edge) || used.contains(&edge));
        windows.retain(|edge| edges.contains(edge));
        detect.retain(|edge| edges.contains(edge));
    }

    /// Resolves everything that is pending, since no more batches will come.
    pub fn close(&mut self, now_us: u64) {
        self.resolve_all_pending(now_us);
        self.count_uninferred(u64::MAX, now_us);
    }

    /// Latest time of a batch or tick, microseconds since the Unix epoch: a lower bound of the time
    /// after a restart.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.address_book.now_us()
    }

    /// Id of the edge of requests; `None` when the edge has no series of requests and no space for
    /// one. Connections may have issued an id for such an edge.
    fn request_edge_id(&mut self, resolved: &ResolvedEdge) -> Option<EdgeId> {
        let known = self.edges.find(resolved).filter(|edge| self.aggregate.uses(*edge));
        let has_capacity = || self.aggregate.has_capacity(reporting_namespace(resolved));
        known.or_else(|| has_capacity().then(|| self.edges.issue(resolved))?)
    }
}

/// Largest number of edges: those of requests, and as many of connections and streams.
fn edges_max(settings: &Settings) -> usize {
    settings.aggregate.series_max.saturating_mul(3)
}

fn edge_cache_max(settings: &Settings) -> usize {
    settings.aggregate.series_max.saturating_mul(KNOWN_PER_SERIES)
}

#[cfg(test)]
mod tests;
