//! What became of all records.
//!
//! In: events. Out: counters. Always holds: records = joined + alone + ambiguous + evicted + unjoinable + open.

use super::edge_stats::EdgeHops;
use crate::snapshot::codec::snapshot;

/// Why a record cannot be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unjoinable {
    /// It carried no request id.
    NoRequestId,
    /// Its detail was given up under pressure.
    Folded,
    /// Its proxy could not tell whom it called, and nobody else knows.
    NoPeer,
    /// A waypoint stands between the two sides and is neither.
    Waypoint,
    /// It ended too long ago, or too far in the future.
    OutOfTime,
}

impl Unjoinable {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::NoRequestId, Self::Folded, Self::NoPeer, Self::Waypoint, Self::OutOfTime];

    /// As the label `reason` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoRequestId => "no_request_id",
            Self::Folded => "folded",
            Self::NoPeer => "no_peer",
            Self::Waypoint => "waypoint",
            Self::OutOfTime => "out_of_time",
        }
    }
}

/// Why a record was let go before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// As many records wait as may.
    Full,
    /// Too many wait under one request id, or so near in the table that one more finds no place.
    Crowded,
}

impl Eviction {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Full, Self::Crowded];

    /// As the label `reason` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Crowded => "crowded",
        }
    }
}

/// Counters since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records whose other side is known.
    pub joined: u64,
    /// Records whose other side told nothing.
    pub alone: u64,
    /// Records that belong to one of several.
    pub ambiguous: u64,
    /// Hops whose verdict is sure and whose pairing is not, so that they have no gap.
    pub unsure: u64,
    /// Hops of edges that were forgotten.
    pub expired_hops: u64,
    evicted: [u64; Eviction::ALL.len()],
    unjoinable: [u64; Unjoinable::ALL.len()],
}

snapshot!(struct Stats { joined, alone, ambiguous, unsure, expired_hops, evicted, unjoinable });

impl Stats {
    /// Records that were let go before their time, by reason.
    pub fn evicted(&self) -> impl Iterator<Item = (Eviction, u64)> + '_ {
        Eviction::ALL.into_iter().zip(self.evicted)
    }

    /// Records that cannot be joined, by reason.
    pub fn unjoinable(&self) -> impl Iterator<Item = (Unjoinable, u64)> + '_ {
        Unjoinable::ALL.into_iter().zip(self.unjoinable)
    }

    /// All records whose fate is known.
    #[must_use]
    pub fn settled(&self) -> u64 {
        let parts = [self.joined, self.alone, self.ambiguous];
        parts
            .iter()
            .chain(&self.evicted)
            .chain(&self.unjoinable)
            .fold(0, |sum, part| sum.saturating_add(*part))
    }

    pub(super) fn evict(&mut self, reason: Eviction) {
        if let Some(count) = self.evicted.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn refuse(&mut self, reason: Unjoinable, records: u64) {
        if let Some(count) = self.unjoinable.get_mut(reason as usize) {
            *count = count.saturating_add(records);
        }
    }

    pub(super) fn expire(&mut self, book: &EdgeHops) {
        self.expired_hops = self.expired_hops.saturating_add(book.hops());
    }
}
