//! Requests of a batch that are offered as exemplars.
//!
//! In: a counted batch, with the slots of its requests. Out: offers to the series. Invariant: of
//! each batch the slowest request is offered, and the last failed request of each edge and outcome,
//! unless it has no request id or is pending resolution.

use super::Engine;
use super::batch_scratch::Slot;
use super::notable::NotableRecords;
use crate::aggregate::Exemplar;
use crate::batch::{Batch, Record};
use std::collections::BTreeMap;

impl Engine {
    /// Offers requests of a batch as exemplars.
    pub(super) fn offer_exemplars(&mut self, batch: &Batch, notable: &NotableRecords) {
        let slowest =
            notable.slowest(&batch.records).map(|slowest| (slowest, notable.is_failure(slowest.outcome)));
        let mut last: BTreeMap<(usize, usize), &Record> = BTreeMap::new();
        for record in notable.failed(&batch.records).filter(|record| record.request_id_hash != 0) {
            last.insert((record.edge, record.outcome), record);
        }
        if let Some((slowest, failed)) = slowest {
            self.offer(slowest, failed);
        }
        for record in last.into_values() {
            self.offer(record, true);
        }
    }

    fn offer(&mut self, record: &Record, failed: bool) {
        let exemplar = Exemplar {
            request_id_hash: record.request_id_hash,
            duration_us: record.duration_us,
            ended_us: record.start_us.saturating_add(record.duration_us),
        };
        if let Some(Slot::Series(id)) = self.scratch.get(record.edge, record.outcome) {
            self.aggregate.offer(id, exemplar, failed);
        }
    }
}
