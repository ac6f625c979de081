//! Snapshot section of the last failures: counters, and all rows.
//!
//! Invariant: a restored store evicts the same rows as the written one, so that no counter falls
//! after a restart. An edge is written with its first row. Limits that are lower evict the oldest
//! rows.

use super::{FailedRecord, Failure, Failures, Row, row_bytes};
use crate::identity::ResolvedEdge;
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer};
use std::collections::HashMap;
use std::sync::Arc;

impl SnapshotState for Failures {
    fn save(&self, to: &mut Writer) {
        self.last.save(to);
        self.seen.save(to);
        self.folded.save(to);
        self.evicted.save(to);
        self.rows.len().save(to);
        let mut edges: HashMap<usize, usize, foldhash::fast::RandomState> = HashMap::default();
        for Row { slot, failure } in self.rows.after(0) {
            failure.number.save(to);
            let next = edges.len() + 1;
            match edges.insert(*slot, next) {
                Some(known) => {
                    edges.insert(*slot, known);
                    known.save(to);
                }
                None => {
                    0_usize.save(to);
                    failure.edge.save(to);
                }
            }
            failure.failed.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.last = u64::load(from)?;
        self.seen = u64::load(from)?;
        self.folded = u64::load(from)?;
        self.evicted = SnapshotValue::load(from)?;
        let mut edges: Vec<Arc<ResolvedEdge>> = Vec::new();
        let mut number_before = 0;
        for _ in 0..from.count()? {
            let number = u64::load(from)?;
            if number <= number_before {
                return Err(from.broken("failures are not in order"));
            }
            number_before = number;
            let edge = match usize::load(from)?.checked_sub(1) {
                Some(known) => edges.get(known).cloned(),
                None => {
                    edges.push(SnapshotValue::load(from)?);
                    edges.last().cloned()
                }
            };
            let edge = edge.ok_or_else(|| from.broken("a failure has no edge"))?;
            let failed = FailedRecord::load(from)?;
            self.restore_row(Failure { number, edge, failed });
        }
        self.shrink(None);
        Ok(())
    }
}

impl Failures {
    fn restore_row(&mut self, failure: Failure) {
        let slot = self.slot(&failure.edge);
        self.bytes = self.bytes.saturating_add(row_bytes(&failure.failed));
        let position = self.rows.push(failure.number, Row { slot, failure });
        if let Some(records) = self.edges.get_mut(slot) {
            records.positions.push_back(position);
        }
    }
}
