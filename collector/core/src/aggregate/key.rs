//! What tells series apart.
//!
//! In: an edge and how its requests ended, or what found no room. Out: a key. Always holds: a key that is kept comes back equal.

use crate::batch::{Outcome, Reporter, Text};
use crate::identity::ResolvedEdge;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};
use std::sync::Arc;

/// What tells one series from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An edge and how its requests ended.
    Edge(Arc<ResolvedEdge>, Outcome),
    /// What found no room.
    Overflow(Reporter),
    /// What found no room among the series of its namespace.
    TenantOverflow(Reporter, Text),
}

impl Key {
    /// Which side tells.
    #[must_use]
    pub fn reporter(&self) -> Reporter {
        match self {
            Self::Edge(edge, _) => edge.reporter,
            Self::Overflow(reporter) | Self::TenantOverflow(reporter, _) => *reporter,
        }
    }
}

impl SnapshotValue for Key {
    fn save(&self, to: &mut Writer) {
        match self {
            Self::Edge(edge, outcome) => {
                to.number(EDGE);
                edge.save(to);
                outcome.save(to);
            }
            Self::Overflow(reporter) => {
                to.number(1);
                reporter.save(to);
            }
            Self::TenantOverflow(reporter, namespace) => {
                to.number(2);
                reporter.save(to);
                namespace.save(to);
            }
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match from.number()? {
            EDGE => Ok(Self::Edge(Arc::load(from)?, Outcome::load(from)?)),
            other => Self::load_other(other, from),
        }
    }
}

impl Key {
    /// What the numbers other than [`EDGE`] stand for.
    pub(super) fn load_other(number: u64, from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match number {
            1 => Ok(Self::Overflow(Reporter::load(from)?)),
            2 => Ok(Self::TenantOverflow(Reporter::load(from)?, Text::load(from)?)),
            _ => Err(from.broken("no such Key")),
        }
    }
}

/// In a checkpoint, the series of an edge.
pub(super) const EDGE: u64 = 0;
