//! Snapshot section of the requests whose caller the join may still infer.
//!
//! Invariant: after a restart a request is counted with the caller that it would have had, since a
//! scrape may have shown it. Edges are written once. Requests beyond a lower limit stay.

use super::{PendingCaller, PendingCallers};
use crate::batch::Record;
use crate::identity::ReportedEdge;
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer, snapshot};
use std::collections::HashMap;
use std::sync::Arc;

snapshot!(struct Record {
    edge,
    outcome,
    start_us,
    duration_us,
    request_bytes,
    response_bytes,
    request_id_hash,
    attempts,
});

impl SnapshotState for PendingCallers {
    fn save(&self, to: &mut Writer) {
        self.rejected.save(to);
        self.due.save(to);
        self.by_key.len().save(to);
        let mut keys: Vec<_> = self.by_key.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        let mut edges: HashMap<*const ReportedEdge, usize> = HashMap::new();
        for (key, requests) in keys {
            to.words([*key]);
            requests.len().save(to);
            for PendingCaller { reported, record, due_us } in requests {
                let next = edges.len() + 1;
                let number = *edges.entry(Arc::as_ptr(reported)).or_insert(next);
                number.save(to);
                if number == next {
                    reported.save(to);
                }
                record.save(to);
                due_us.save(to);
            }
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.rejected = u64::load(from)?;
        self.due = SnapshotValue::load(from)?;
        self.by_key.clear();
        self.count = 0;
        let mut edges: Vec<Arc<ReportedEdge>> = Vec::new();
        for _ in 0..from.count()? {
            let [key] = from.words()?;
            let mut requests = Vec::new();
            for _ in 0..from.count()? {
                let number = usize::load(from)?;
                if number == edges.len() + 1 {
                    edges.push(SnapshotValue::load(from)?);
                }
                let reported = number.checked_sub(1).and_then(|number| edges.get(number)).cloned();
                let reported = reported.ok_or_else(|| from.broken("a request has no edge"))?;
                requests.push(PendingCaller {
                    reported,
                    record: Record::load(from)?,
                    due_us: u64::load(from)?,
                });
            }
            self.count += requests.len();
            if self.by_key.insert(key, requests).is_some() {
                return Err(from.broken("a request is listed twice"));
            }
        }
        Ok(())
    }
}
