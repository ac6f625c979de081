//! Epoch id and running totals of an epoch.
//!
//! Invariant: `seen = sent + folded + dropped + buffered`, as the validator ensures.

use super::RowReason;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer, snapshot};
use crate::text::Text;

/// Epoch id: one run of one filter VM in one proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EpochId {
    /// Envoy's node id, 1 to 512 bytes.
    pub proxy: Text,
    /// Random number of the VM run, never 0.
    pub epoch: u64,
}

snapshot!(struct EpochId { proxy, epoch });

/// Running totals of an epoch: `seen = sent + folded + dropped + buffered`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Finished requests that the filter saw.
    pub seen: u64,
    /// Requests in single records of batches 1 to this one.
    pub sent: u64,
    /// Requests in fold rows of batches 1 to this one.
    pub folded: u64,
    /// Dropped requests by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// Requests buffered in the filter.
    pub buffered: u64,
}

snapshot!(struct Totals { seen, sent, folded, dropped, buffered });

impl Totals {
    /// Returns the number of requests that left the filter.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.sent.saturating_add(self.folded)
    }
}

/// Reason why requests are missing from the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// Fold table of the filter was full.
    FoldTableFull,
    /// Collector rejected a batch as invalid.
    BatchRejected,
    /// Collector rejected a batch as too large.
    TooLarge,
    /// Reported to the collector before its last restart, and not recovered.
    CollectorRestart,
    /// Buffered in a filter that stopped reporting.
    EpochEnded,
    /// In rows that the collector rejected, from batches that it accepted.
    Rejected(RowReason),
    /// Unknown reason, with its number on the wire.
    Unknown(i32),
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FoldTableFull => f.write_str("fold_table_full"),
            Self::BatchRejected => f.write_str("rejected"),
            Self::TooLarge => f.write_str("too_large"),
            Self::CollectorRestart => f.write_str("collector_restart"),
            Self::EpochEnded => f.write_str("epoch_ended"),
            Self::Rejected(reason) => f.write_str(reason.drop_label()),
            Self::Unknown(number) => write!(f, "reason{number}"),
        }
    }
}

impl SnapshotValue for DropReason {
    fn save(&self, to: &mut Writer) {
        match self {
            Self::FoldTableFull => to.number(1),
            Self::BatchRejected => to.number(2),
            Self::TooLarge => to.number(3),
            Self::CollectorRestart => to.number(4),
            Self::EpochEnded => to.number(5),
            Self::Rejected(reason) => {
                to.number(6);
                reason.save(to);
            }
            Self::Unknown(number) => {
                to.number(0);
                number.save(to);
            }
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match from.number()? {
            0 => Ok(Self::Unknown(i32::load(from)?)),
            1 => Ok(Self::FoldTableFull),
            2 => Ok(Self::BatchRejected),
            3 => Ok(Self::TooLarge),
            4 => Ok(Self::CollectorRestart),
            5 => Ok(Self::EpochEnded),
            6 => Ok(Self::Rejected(RowReason::load(from)?)),
            _ => Err(from.broken("no such DropReason")),
        }
    }
}
