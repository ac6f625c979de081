//! Validation of the requests of a batch: single records and fold rows.
//!
//! In: decoded columns and rows.
//! Out: records and folds with absolute times.
//! Invariant: sums of times and counts do not overflow; a valid record ended within the time window
//! of the limits.

use super::{DURATION_US_MAX, Limits, tables};
use crate::batch::{Fold, FoldedDurations, Record};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

const SCALES: std::ops::RangeInclusive<i32> = -10..=20;
const BUCKETS_MAX: usize = 320;

/// Table sizes, times and limits that rows are validated against.
pub(crate) struct Rows<'a> {
    /// Size of the table of edges.
    pub(crate) edges: usize,
    /// Size of the table of outcomes.
    pub(crate) outcomes: usize,
    /// Base time of the batch.
    pub(crate) base_us: u64,
    /// Receive time of the batch.
    pub(crate) now_us: u64,
    /// Limits of a batch.
    pub(crate) limits: &'a Limits,
}

impl Rows<'_> {
    /// Validates the columns of single records.
    pub(super) fn records(&self, wire: &v1::Records) -> Result<Vec<Record>, Rejection> {
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
        if let Some((field, found)) = columns.into_iter().find(|(_, found)| *found != expected) {
            return Err(Rejection::Columns { field, found, expected });
        }
        let mut start_us = self.base_us;
        let columns = wire.edge.iter().zip(&wire.outcome).zip(&wire.start_delta_us).zip(&wire.duration_us);
        let columns = columns.zip(wire.request_bytes.iter().zip(&wire.response_bytes));
        // The column of attempts is omitted when every entry is 1.
        let attempts = wire.attempts.iter().copied().chain(std::iter::repeat(1));
        let columns = columns.zip(wire.request_id_hash.iter().zip(attempts)).enumerate();
        let mut records = Vec::with_capacity(expected);
        for (row, (((((edge, outcome), delta_us), &duration_us), bytes), request)) in columns {
            start_us = self.time("records.start_delta_us", row, start_us, *delta_us)?;
            self.ended("records.duration_us", row, start_us, duration_us)?;
            records.push(Record {
                edge: tables::index("records.edge", row, *edge, self.edges)?,
                outcome: tables::index("records.outcome", row, *outcome, self.outcomes)?,
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

    /// Validates the fold rows.
    pub(crate) fn folds(&self, wire: Vec<v1::Fold>) -> Result<Vec<Fold>, Rejection> {
        tables::at_most("folds", wire.len(), self.limits.rows_max)?;
        wire.into_iter().enumerate().map(|(row, fold)| self.fold(row, fold)).collect()
    }

    fn fold(&self, row: usize, wire: v1::Fold) -> Result<Fold, Rejection> {
        if wire.count == 0 {
            return Err(Rejection::Fold { row, problem: "has a count of 0" });
        }
        let durations = wire.duration.ok_or(Rejection::Fold { row, problem: "has no durations" })?;
        let durations = durations_of(row, durations, wire.count)?;
        let first_us =
            self.time("folds.first_start_delta_us", row, self.base_us, wire.first_start_delta_us)?;
        let last_us = self.time("folds.last_start_delta_us", row, self.base_us, wire.last_start_delta_us)?;
        if first_us > last_us {
            return Err(Rejection::Fold { row, problem: "has a first start after its last start" });
        }
        self.ended("folds.duration.max_us", row, last_us, durations.max_us)?;
        Ok(Fold {
            edge: tables::index("folds.edge", row, wire.edge, self.edges)?,
            outcome: tables::index("folds.outcome", row, wire.outcome, self.outcomes)?,
            count: wire.count,
            durations,
            request_bytes_sum: wire.request_bytes_sum,
            response_bytes_sum: wire.response_bytes_sum,
        })
    }

    fn time(&self, field: &'static str, row: usize, from_us: u64, delta_us: i64) -> Result<u64, Rejection> {
        let time_us = from_us.checked_add_signed(delta_us).ok_or(Rejection::Time {
            field,
            row,
            problem: "overflows",
        })?;
        if time_us > self.now_us.saturating_add(self.limits.ahead_us_max) {
            return Err(Rejection::Time { field, row, problem: "is in the future" });
        }
        Ok(time_us)
    }

    /// Checks the end of a record, not its start: a connection can be days old when its record is
    /// made.
    fn ended(
        &self,
        field: &'static str,
        row: usize,
        start_us: u64,
        duration_us: u64,
    ) -> Result<(), Rejection> {
        if duration_us >= DURATION_US_MAX {
            return Err(Rejection::Duration { field, row, duration_us });
        }
        if start_us.saturating_add(duration_us) < self.now_us.saturating_sub(self.limits.age_us_max) {
            return Err(Rejection::Time { field, row, problem: "ended too long ago" });
        }
        Ok(())
    }
}

fn durations_of(row: usize, wire: v1::DurationHistogram, count: u64) -> Result<FoldedDurations, Rejection> {
    let reject = |problem| Err(Rejection::Fold { row, problem });
    if !SCALES.contains(&wire.scale) {
        return reject("has a scale outside -10 to 20");
    }
    if wire.counts.len() > BUCKETS_MAX {
        return reject("has more than 320 buckets");
    }
    if wire.min_us > wire.max_us {
        return reject("has min_us > max_us");
    }
    let sum = wire.counts.iter().try_fold(wire.zero_count, |sum, count| sum.checked_add(*count));
    if sum != Some(count) {
        return reject("does not add up: count is not the sum of the buckets");
    }
    Ok(FoldedDurations {
        sum_us: wire.sum_us,
        min_us: wire.min_us,
        max_us: wire.max_us,
        scale: wire.scale,
        zero_count: wire.zero_count,
        offset: wire.offset,
        counts: wire.counts,
    })
}
