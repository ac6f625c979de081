//! Keys of series.
//!
//! Invariant: a key that is written to a snapshot is read back equal.

use super::packed_outcome::PackedOutcome;
use crate::batch::{Outcome, Reporter, Text};
use crate::identity::{EdgeId, EdgeTable, ResolvedEdge};
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};
use std::sync::Arc;

/// Key of a series with its edge resolved, for readers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An edge, and how its requests ended.
    Edge(Arc<ResolvedEdge>, Outcome),
    /// Overflow of a reporter.
    Overflow(Reporter),
    /// Overflow of a reporter and a namespace that has as many series as it may.
    NamespaceOverflow(Reporter, Text),
}

impl Key {
    /// Reporter of the series.
    #[must_use]
    pub fn reporter(&self) -> Reporter {
        match self {
            Self::Edge(edge, _) => edge.reporter,
            Self::Overflow(reporter) | Self::NamespaceOverflow(reporter, _) => *reporter,
        }
    }
}

/// Key of a series with the id of its edge, for stages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum SeriesKey {
    Edge(EdgeId, PackedOutcome),
    Overflow(Reporter),
    NamespaceOverflow(Reporter, Text),
}

impl SeriesKey {
    /// The same key with its edge resolved; `None` when the id stands for no edge.
    pub(super) fn resolve(&self, edges: &EdgeTable) -> Option<Key> {
        Some(match self {
            Self::Edge(edge, outcome) => Key::Edge(Arc::new(edges.get(*edge)?), (*outcome).into()),
            Self::Overflow(reporter) => Key::Overflow(*reporter),
            Self::NamespaceOverflow(reporter, namespace) => {
                Key::NamespaceOverflow(*reporter, namespace.clone())
            }
        })
    }
}

impl SnapshotValue for SeriesKey {
    fn save(&self, to: &mut Writer) {
        match self {
            Self::Edge(EdgeId(edge), outcome) => {
                to.number(0);
                edge.save(to);
                Outcome::from(*outcome).save(to);
            }
            Self::Overflow(reporter) => {
                to.number(1);
                reporter.save(to);
            }
            Self::NamespaceOverflow(reporter, namespace) => {
                to.number(2);
                reporter.save(to);
                namespace.save(to);
            }
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match from.number()? {
            0 => Ok(Self::Edge(EdgeId(u32::load(from)?), Outcome::load(from)?.into())),
            1 => Ok(Self::Overflow(Reporter::load(from)?)),
            2 => Ok(Self::NamespaceOverflow(Reporter::load(from)?, Text::load(from)?)),
            _ => Err(from.broken("no such key of a series")),
        }
    }
}
