//! Who tells, and what an epoch has seen so far.
//!
//! In: nothing; these are words. Out: the same to every room. Always holds: `seen = sent + folded + dropped + buffered`, as the
//! check has made sure.

use super::Text;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer, snapshot};

/// One life of one filter VM in one proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EpochId {
    /// Envoy's node id, 1 to 512 bytes.
    pub proxy: Text,
    /// The random number of this life, never 0.
    pub epoch: u64,
}

snapshot!(struct EpochId { proxy, epoch });

/// The running totals of an epoch: `seen = sent + folded + dropped + buffered`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Finished requests that the filter saw.
    pub seen: u64,
    /// Those in single records of batches 1 to this one.
    pub sent: u64,
    /// Those in fold rows of batches 1 to this one.
    pub folded: u64,
    /// Those given up, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// Those that wait in the filter.
    pub buffered: u64,
}

snapshot!(struct Totals { seen, sent, folded, dropped, buffered });

impl Totals {
    /// Those that left the filter.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.sent.saturating_add(self.folded)
    }
}

/// Why requests are missing from the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The filter's fold table was full.
    FoldTableFull,
    /// The collector called a batch invalid.
    Refused,
    /// The collector called a batch too large.
    TooLarge,
    /// Told to an earlier life of this collector.
    CollectorRestart,
    /// It waited in a filter that was not heard of again.
    EpochEnded,
    /// A reason that this collector does not know, by its number on the wire.
    Unknown(i32),
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FoldTableFull => f.write_str("fold_table_full"),
            Self::Refused => f.write_str("refused"),
            Self::TooLarge => f.write_str("too_large"),
            Self::CollectorRestart => f.write_str("collector_restart"),
            Self::EpochEnded => f.write_str("epoch_ended"),
            Self::Unknown(number) => write!(f, "reason{number}"),
        }
    }
}

impl SnapshotValue for DropReason {
    fn save(&self, to: &mut Writer) {
        match self {
            Self::FoldTableFull => to.number(1),
            Self::Refused => to.number(2),
            Self::TooLarge => to.number(3),
            Self::CollectorRestart => to.number(4),
            Self::EpochEnded => to.number(5),
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
            2 => Ok(Self::Refused),
            3 => Ok(Self::TooLarge),
            4 => Ok(Self::CollectorRestart),
            5 => Ok(Self::EpochEnded),
            _ => Err(from.broken("no such DropReason")),
        }
    }
}
