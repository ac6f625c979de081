//! Infers the caller of a destination record from the joined source record, where neither address
//! nor certificate identifies it.
//!
//! In: destination records without a source, and the records joined with them. Out: per record the
//! calling proxy, or `None`.
//! Invariant: a proxy is inferred for no more records than it reported attempts, so counts by
//! source stay exact; two concurrent calls with one id may swap durations. For an ambiguous pairing
//! a proxy is inferred only if all possible callers are that proxy.
//! Results are buffered for [`Join::take_inferred_callers`] until the end of the batch or tick: at most one
//! per record of the batch, or per record that falls due. Without a consumer none is buffered.

use super::edge_context::EdgeContext;
use super::packed_record::{DURATION_US_MAX, PendingRecord};
use super::prepare::{is_out_of_time, key};
use super::{Join, Side};
use crate::batch::{Record, Text};

/// Caller of one destination record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferredCaller {
    /// Key under which the engine asked for the caller.
    pub key: u64,
    end: u32,
    duration_us: u32,
    /// The calling proxy; `None` if no proxy, or several proxies, reported the call.
    pub proxy: Option<Text>,
}

impl InferredCaller {
    /// Whether the result belongs to this record, among the records of its key.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let end_us = record.start_us.saturating_add(record.duration_us);
        PendingRecord::end_step(end_us) == self.end
            && u32::try_from(record.duration_us).unwrap_or(DURATION_US_MAX) == self.duration_us
    }
}

impl Join {
    /// Returns the key under which the caller of a record will be reported; `None` if it cannot be
    /// inferred.
    pub(crate) fn inference_key(&self, record: &Record, context: &EdgeContext, now_us: u64) -> Option<u64> {
        let is_joined = context.side == Side::Destination
            && context.unjoinable.is_none()
            && !context.peer_not_instrumented
            && record.request_id_hash != 0
            // Envoy as the caller numbers its attempts; 0 means another client.
            && record.attempts != 0
            && !is_out_of_time(record, now_us);
        is_joined.then(|| key(record.request_id_hash, context.destination))
    }

    /// Enables or disables caller inference.
    pub(crate) fn enable_caller_inference(&mut self, any: bool) {
        self.infers_callers = any;
    }

    /// Removes and returns the inferred callers.
    pub fn take_inferred_callers(&mut self) -> Vec<InferredCaller> {
        std::mem::take(&mut self.inferred_callers)
    }

    /// Returns the time after which no caller is reported for a record that arrives now.
    #[must_use]
    pub fn inference_deadline_us(&self, now_us: u64) -> u64 {
        // The last records are resolved on the tick after their deadline.
        now_us.saturating_add(self.limits.wait_us_max()).saturating_add(1_500_000)
    }

    /// Buffers the caller of a destination record that has no source.
    #[inline]
    pub(super) fn infer_caller(&mut self, record: &PendingRecord, source: Option<&PendingRecord>) {
        if record.source_tag == 0 && record.side == Side::Destination && self.infers_callers {
            self.push_inferred_caller(record, source);
        }
    }

    #[inline(never)]
    fn push_inferred_caller(&mut self, destination: &PendingRecord, source: Option<&PendingRecord>) {
        let number = source.and_then(|source| source.own.checked_sub(1));
        self.inferred_callers.push(InferredCaller {
            key: destination.key,
            end: destination.end,
            duration_us: destination.duration_us,
            proxy: number.and_then(|number| self.proxies.key(number)).cloned(),
        });
    }
}

/// Returns a source record if all source records of the group come from one proxy; `None` for no
/// proxy or several.
pub(super) fn only_source(group: &[PendingRecord]) -> Option<&PendingRecord> {
    let mut sources = group.iter().filter(|record| record.side == Side::Source);
    let first = sources.next()?;
    sources.all(|source| source.own == first.own).then_some(first)
}
