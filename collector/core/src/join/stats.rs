//! Counters of all records by result.
//!
//! Invariant: records = joined + alone + ambiguous + late + evicted + unjoinable + pending.

use super::edge_stats::EdgeHops;
use super::verdict::Verdict;
use crate::snapshot::codec::snapshot;

/// Reason why a record cannot be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unjoinable {
    /// The record has no request id.
    NoRequestId,
    /// The proxy folded the record into a count.
    Folded,
    /// The destination is unknown to the source's proxy and to the address book.
    NoPeer,
    /// The reporter is a waypoint, which is neither side of the hop.
    Waypoint,
    /// The record ended too long ago, or ends too far in the future.
    OutOfTime,
}

impl Unjoinable {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::NoRequestId, Self::Folded, Self::NoPeer, Self::Waypoint, Self::OutOfTime];

    /// Value of the label `reason`.
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

/// Reason why a record was evicted before its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// The number of pending records is at its limit.
    Full,
    /// Too many records share one key, or no nearby bucket of the table has a free slot.
    Crowded,
}

impl Eviction {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Full, Self::Crowded];

    /// Value of the label `reason`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Crowded => "crowded",
        }
    }
}

/// Counters since the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records with a record of the other side.
    pub joined: u64,
    /// Records without a record of the other side.
    pub alone: u64,
    /// Records with several possible partners.
    pub ambiguous: u64,
    /// Records whose hop was counted without them.
    pub late: u64,
    /// Joined hops without a confident pairing. Their verdict is exact; they add no gap.
    pub low_confidence: u64,
    /// Hops of edges that were removed after inactivity.
    pub expired_hops: u64,
    evicted: [u64; Eviction::ALL.len()],
    unjoinable: [u64; Unjoinable::ALL.len()],
    /// Corrected hops, by the number of the counted verdict and of that of both records.
    corrected: [[u64; Verdict::ALL.len()]; Verdict::ALL.len()],
}

snapshot!(struct Stats {
    joined,
    alone,
    ambiguous,
    late,
    low_confidence,
    expired_hops,
    evicted,
    unjoinable,
    corrected,
});

impl Stats {
    /// Evicted records by reason.
    pub fn evicted(&self) -> impl Iterator<Item = (Eviction, u64)> + '_ {
        Eviction::ALL.into_iter().zip(self.evicted)
    }

    /// Records that cannot be joined, by reason.
    pub fn unjoinable(&self) -> impl Iterator<Item = (Unjoinable, u64)> + '_ {
        Unjoinable::ALL.into_iter().zip(self.unjoinable)
    }

    /// Hops whose second record arrived after their verdict: the verdict that was counted, that of
    /// both records, and the number of hops; without the pairs of verdicts that never occurred, except
    /// for the one of a delayed request.
    pub fn corrected(&self) -> impl Iterator<Item = (Verdict, Verdict, u64)> + '_ {
        let rows = Verdict::ALL.into_iter().zip(&self.corrected);
        let cells = rows.flat_map(|(counted, row)| {
            Verdict::ALL.into_iter().zip(row).map(move |(verdict, hops)| (counted, verdict, *hops))
        });
        cells.filter(|(counted, verdict, hops)| {
            *hops > 0 || (*counted, *verdict) == (Verdict::RequestLost, Verdict::RequestLate)
        })
    }

    /// Number of records with a known result.
    #[must_use]
    pub fn resolved(&self) -> u64 {
        let parts = [self.joined, self.alone, self.ambiguous, self.late];
        parts
            .iter()
            .chain(&self.evicted)
            .chain(&self.unjoinable)
            .fold(0, |sum, part| sum.saturating_add(*part))
    }

    pub(super) fn add_evicted(&mut self, reason: Eviction) {
        if let Some(count) = self.evicted.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn add_unjoinable(&mut self, reason: Unjoinable, records: u64) {
        if let Some(count) = self.unjoinable.get_mut(reason as usize) {
            *count = count.saturating_add(records);
        }
    }

    pub(super) fn add_corrected(&mut self, counted: Verdict, verdict: Verdict) {
        let row = self.corrected.get_mut(usize::from(counted.number()));
        if let Some(hops) = row.and_then(|row| row.get_mut(usize::from(verdict.number()))) {
            *hops = hops.saturating_add(1);
        }
    }

    pub(super) fn add_expired(&mut self, hops: &EdgeHops) {
        self.expired_hops = self.expired_hops.saturating_add(hops.hops());
    }
}
