//! Notable records of a batch: the slowest, and all that failed.
//!
//! In: records, as they are counted. Out: their indices. Invariant: one pass over the records
//! serves exemplars and failures.

use crate::batch::{Outcome, Record};

/// Indices of the notable records of one batch.
#[derive(Debug, Default)]
pub(super) struct NotableRecords {
    /// Whether each outcome is a failure, by its index.
    failures: Vec<bool>,
    /// Indices of failed records, in ascending order.
    failed: Vec<usize>,
    /// Index and duration of the slowest record with a request id; of equal ones the last.
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

    /// Notes a record.
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

    /// Whether any outcome of the batch is a failure.
    pub(super) fn has_failures(&self) -> bool {
        self.failures.contains(&true)
    }

    /// Failed records.
    pub(super) fn failed<'a>(&'a self, records: &'a [Record]) -> impl Iterator<Item = &'a Record> {
        self.failed.iter().filter_map(|index| records.get(*index))
    }

    /// Slowest record with a request id.
    pub(super) fn slowest<'a>(&self, records: &'a [Record]) -> Option<&'a Record> {
        records.get(self.slowest?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::NotableRecords;
    use crate::batch::{Outcome, Record};

    /// Checks the indices of the slowest and of the failed records. `records`: `(outcome, duration,
    /// hash)`; outcome 1 is a failure.
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
        // The records of the previous batch are removed.
        notable.failed.push(9);
        notable.begin(&outcomes);
        records.iter().enumerate().for_each(|(index, record)| notable.note(index, record));
        assert_eq!((notable.slowest.map(|(index, _)| index), &notable.failed[..]), (slowest, failed));
        assert_eq!(notable.slowest(&records), slowest.and_then(|index| records.get(index)));
        assert_eq!(notable.failed(&records).count(), failed.len());
    }

    #[test]
    fn the_slowest_record_with_an_id_and_all_failed_records_are_notable() {
        check(&[], None, &[]);
        check(&[(0, 5, 7), (1, 9, 0), (0, 5, 7), (1, 1, 7)], Some(2), &[1, 3]);
        check(&[(1, 9, 0), (2, 3, 0)], None, &[0]);
    }
}
