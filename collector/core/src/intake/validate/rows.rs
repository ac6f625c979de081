//! Validation of the requests of a batch: single records and fold rows.
//!
//! In: decoded columns and rows.
//! Out: valid records and folds with absolute times; the others are counted as rejected.
//! Invariant: the requests of valid and rejected rows are all requests of the batch; the time of a
//! valid record is within the limits.

use super::tables::Valid;
use super::times::BatchTimes;
use super::{DURATION_US_MAX, Limits, tables};
use crate::batch::{Fold, FoldedDurations, Record, RejectedRows, RowReason};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

const SCALES: std::ops::RangeInclusive<i32> = -10..=20;
const BUCKETS_MAX: usize = 320;

/// Tables, times and limits that rows are validated against.
pub(crate) struct Rows<'a> {
    /// Valid rows of the table of edges.
    pub(crate) edges: Valid<'a>,
    /// Valid rows of the table of outcomes.
    pub(crate) outcomes: Valid<'a>,
    /// Times of the batch.
    pub(crate) times: BatchTimes,
    /// Limits of a batch.
    pub(crate) limits: &'a Limits,
}

/// Valid rows, and the number of requests whose time was moved into the limits.
#[derive(Debug)]
pub(crate) struct Checked<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) moved: u64,
}

impl Rows<'_> {
    /// Validates the columns of single records.
    ///
    /// Starts are relative to each other, so that one invalid start changes the following ones,
    /// too: every time is moved into the limits, and none is a reason to reject a record.
    pub(super) fn records(
        &self,
        wire: &v1::Records,
        rejected: &mut RejectedRows,
    ) -> Result<Checked<Record>, Rejection> {
        let expected = self.columns(wire)?;
        let mut reported_us = self.times.base_us;
        let columns = wire.edge.iter().zip(&wire.outcome).zip(&wire.start_delta_us).zip(&wire.duration_us);
        let columns = columns.zip(wire.request_bytes.iter().zip(&wire.response_bytes));
        // The column of attempts is omitted when every entry is 1.
        let attempts = wire.attempts.iter().copied().chain(std::iter::repeat(1));
        let columns = columns.zip(wire.request_id_hash.iter().zip(attempts));
        let mut records = Checked { rows: Vec::with_capacity(expected), moved: 0 };
        for (((((edge, outcome), delta_us), &duration_us), bytes), request) in columns {
            reported_us = reported_us.wrapping_add_signed(*delta_us);
            let (edge, outcome) = match self.indexes(*edge, *outcome, duration_us) {
                Ok(indexes) => indexes,
                Err(reason) => {
                    rejected.add_record(reason);
                    continue;
                }
            };
            let start_us = self.times.start_us(reported_us, duration_us);
            let is_moved = self.times.is_moved || start_us != reported_us;
            records.moved = records.moved.saturating_add(is_moved.into());
            records.rows.push(Record {
                edge,
                outcome,
                start_us,
                duration_us,
                request_bytes: *bytes.0,
                response_bytes: *bytes.1,
                request_id_hash: *request.0,
                attempts: request.1,
            });
        }
        Ok(records)
    }

    /// Compares the lengths of the columns, and returns the number of records.
    fn columns(&self, wire: &v1::Records) -> Result<usize, Rejection> {
        let expected = wire.edge.len();
        tables::at_most("records", expected, self.limits.records_max)?;
        let columns = [
            ("outcome", wire.outcome.len()),
            ("start_delta_us", wire.start_delta_us.len()),
            ("duration_us", wire.duration_us.len()),
            ("request_bytes", wire.request_bytes.len()),
            ("response_bytes", wire.response_bytes.len()),
            ("request_id_hash", wire.request_id_hash.len()),
            ("attempts", if wire.attempts.is_empty() { expected } else { wire.attempts.len() }),
        ];
        match columns.into_iter().find(|(_, found)| *found != expected) {
            Some((field, found)) => Err(Rejection::Columns { field, found, expected }),
            None => Ok(expected),
        }
    }

    /// Validates the fold rows.
    pub(crate) fn folds(
        &self,
        wire: Vec<v1::Fold>,
        rejected: &mut RejectedRows,
    ) -> Result<Checked<Fold>, Rejection> {
        tables::at_most("folds", wire.len(), self.limits.rows_max)?;
        let mut folds = Checked { rows: Vec::with_capacity(wire.len()), moved: 0 };
        for wire in wire {
            let (edge, outcome) = match self.fold(&wire) {
                Ok(indexes) => indexes,
                Err(reason) => {
                    rejected.add_fold(reason, claimed(&wire));
                    continue;
                }
            };
            let durations = wire.duration.map(FoldedDurations::from).unwrap_or_default();
            let last_us = self.times.base_us.saturating_add_signed(wire.last_start_delta_us);
            if self.times.is_moved || self.times.start_us(last_us, durations.max_us) != last_us {
                folds.moved = folds.moved.saturating_add(wire.count);
            }
            folds.rows.push(Fold {
                edge,
                outcome,
                count: wire.count,
                durations,
                request_bytes_sum: wire.request_bytes_sum,
                response_bytes_sum: wire.response_bytes_sum,
            });
        }
        Ok(folds)
    }

    /// Validates a fold row, and returns its edge and outcome.
    fn fold(&self, wire: &v1::Fold) -> Result<(usize, usize), RowReason> {
        let durations = wire.duration.as_ref().ok_or(RowReason::Fold)?;
        let indexes = self.indexes(wire.edge, wire.outcome, durations.max_us)?;
        let is_valid = wire.count > 0
            && wire.first_start_delta_us <= wire.last_start_delta_us
            && SCALES.contains(&durations.scale)
            && durations.counts.len() <= BUCKETS_MAX
            && durations.min_us <= durations.max_us
            && sum_of(durations) == Some(wire.count);
        if is_valid { Ok(indexes) } else { Err(RowReason::Fold) }
    }

    /// Validates the edge, the outcome and the longest duration of a row.
    fn indexes(&self, edge: u32, outcome: u32, duration_us: u64) -> Result<(usize, usize), RowReason> {
        let edge = self.edges.index(edge).ok_or(RowReason::Edge)?;
        let outcome = self.outcomes.index(outcome).ok_or(RowReason::Outcome)?;
        if duration_us < DURATION_US_MAX { Ok((edge, outcome)) } else { Err(RowReason::Duration) }
    }
}

/// Returns the number of requests of a fold row that may be invalid: the smaller one of its count
/// and the sum of its buckets, without a number that is missing.
fn claimed(wire: &v1::Fold) -> u64 {
    let buckets = wire.duration.as_ref().and_then(sum_of).filter(|sum| *sum > 0);
    [Some(wire.count).filter(|count| *count > 0), buckets].into_iter().flatten().min().unwrap_or(0)
}

/// Returns the sum of the buckets; `None` when it overflows.
fn sum_of(durations: &v1::DurationHistogram) -> Option<u64> {
    durations.counts.iter().try_fold(durations.zero_count, |sum, count| sum.checked_add(*count))
}

impl From<v1::DurationHistogram> for FoldedDurations {
    fn from(wire: v1::DurationHistogram) -> Self {
        Self {
            sum_us: wire.sum_us,
            min_us: wire.min_us,
            max_us: wire.max_us,
            scale: wire.scale,
            zero_count: wire.zero_count,
            offset: wire.offset,
            counts: wire.counts,
        }
    }
}
