//! The requests of a batch that are looked at once more: the slowest, and those that failed.
//!
//! In: its records, as they are counted. Out: their places. Always holds: all records are passed over once, not once for each
//! who wants some of them.

use crate::batch::{Outcome, Record};

/// See above.
#[derive(Debug, Default)]
pub(super) struct NotableRecords {
    /// By the places of the outcomes, whether it is a failure.
    failures: Vec<bool>,
    /// Places of the records that failed, rising.
    failed: Vec<usize>,
    /// Place and duration of the slowest with a request id, the last of them.
    slowest: Option<(usize, u64)>,
}

impl NotableRecords {
    /// Begins a batch.
    pub(super) fn begin(&mut self, outcomes: &[Outcome]) {
        self.failures.clear();
        self.failures.extend(outcomes.iter().map(Outcome::is_failure));
        self.failed.clear();
        self.slowest = None;
    }

    /// EngineReader at the record at a place.
    #[inline]
    pub(super) fn note(&mut self, index: usize, record: &Record) {
        if self.is_failure(record.outcome) {
            self.failed.push(index);
        }
        let is_slowest = self.slowest.is_none_or(|(_, longest_us)| record.duration_us >= longest_us);
        if is_slowest && record.request_id_hash != 0 {
            self.slowest = Some((index, record.duration_us));
        }
    }

    /// Whether an outcome of the batch is a failure.
    #[inline]
    pub(super) fn is_failure(&self, outcome: usize) -> bool {
        self.failures.get(outcome).copied().unwrap_or(false)
    }

    /// Whether the batch has an outcome that is one, be it of a record or not.
    pub(super) fn has_failures(&self) -> bool {
        self.failures.contains(&true)
    }

    /// The records that failed.
    pub(super) fn failed<'a>(&'a self, records: &'a [Record]) -> impl Iterator<Item = &'a Record> {
        self.failed.iter().filter_map(|index| records.get(*index))
    }

    /// The slowest record with a request id.
    pub(super) fn slowest<'a>(&self, records: &'a [Record]) -> Option<&'a Record> {
        records.get(self.slowest?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::NotableRecords;
    use crate::batch::{Outcome, Record};

    /// `(outcome, duration, hash)` of records in, the slowest and those that failed out, as places. Outcome 1 is a failure.
    #[track_caller]
    fn check(records: &[(usize, u64, u32)], slowest: Option<usize>, failed: &[usize]) {
        let record = |&(outcome, duration_us, request_id_hash): &(usize, u64, u32)| Record {
            outcome,
            duration_us,
            request_id_hash,
            ..Record::default()
        };
        let outcomes = [200, 503].map(|code| Outcome { response_code: code, ..Outcome::default() });
        let records: Vec<Record> = records.iter().map(record).collect();
        let mut notable = NotableRecords::default();
        // What was there before is gone.
        notable.failed.push(9);
        notable.begin(&outcomes);
        records.iter().enumerate().for_each(|(index, record)| notable.note(index, record));
        assert_eq!((notable.slowest.map(|(index, _)| index), &notable.failed[..]), (slowest, failed));
        assert_eq!(notable.slowest(&records), slowest.and_then(|index| records.get(index)));
        assert_eq!(notable.failed(&records).count(), failed.len());
    }

    #[test]
    fn the_slowest_with_an_id_and_all_that_failed() {
        check(&[], None, &[]);
        check(&[(0, 5, 7), (1, 9, 0), (0, 5, 7), (1, 1, 7)], Some(2), &[1, 3]);
        check(&[(1, 9, 0), (2, 3, 0)], None, &[0]);
    }
}
