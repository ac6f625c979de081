//! Whom the join finds to have called, where the called side could not tell.
//!
//! In: records of called sides without a caller's name, and what they were joined with. Out: for each the proxy that called,
//! or that nobody is to be found. Always holds: a proxy is named for no more records than it told attempts, so that the counts
//! by caller are its own, though of two calls of one id at one time each may have the other's figures; where a pairing is
//! ambiguous, a proxy is named only if all that may have called are that one. What is found waits for
//! [`Join::callers_found`] until the end of the batch or of the tick, so that there is no more of it than a batch has records,
//! or than fall due in one tick; and nothing is noted while nobody seeks.

use super::edge_context::Line;
use super::packed_record::{DURATION_US_MAX, Half};
use super::prepare::{is_out_of_time, key};
use super::{Join, Side};
use crate::batch::{Record, Text};

/// Which record it is about, and whose request it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key under which it was sought.
    pub key: u64,
    end: u32,
    duration_us: u32,
    /// The calling proxy; `None` where nobody told of the call, or several did.
    pub proxy: Option<Text>,
}

impl Caller {
    /// Whether it is about this record, among those of its key.
    #[must_use]
    pub fn is_of(&self, record: &Record) -> bool {
        let end_us = record.start_us.saturating_add(record.duration_us);
        Half::end_step(end_us) == self.end
            && u32::try_from(record.duration_us).unwrap_or(DURATION_US_MAX) == self.duration_us
    }
}

impl Join {
    /// The key under which the caller of a record will be found; `None` when nobody will look for it.
    pub(crate) fn sought(&self, record: &Record, line: &Line, now_us: u64) -> Option<u64> {
        let is_joined = line.side == Side::Destination
            && line.unjoinable.is_none()
            && !line.peer_not_instrumented
            && record.request_id_hash != 0
            // A caller with a proxy numbers its attempts.
            && record.attempts != 0
            && !is_out_of_time(record, now_us);
        is_joined.then(|| key(record.request_id_hash, line.called))
    }

    /// Whether anybody waits for what is found from now on.
    pub(crate) fn seek_callers(&mut self, any: bool) {
        self.seeks_callers = any;
    }

    /// What was found since the last time.
    pub fn callers_found(&mut self) -> Vec<Caller> {
        std::mem::take(&mut self.callers_found)
    }

    /// After which time nothing will be found of a record that came now.
    #[must_use]
    pub fn sought_until_us(&self, now_us: u64) -> u64 {
        // The last are judged on the tick after their deadline.
        now_us.saturating_add(self.limits.window_us()).saturating_add(1_000_000)
    }

    /// Notes whose request a called side's record is, where that does not say it itself.
    #[inline]
    pub(super) fn found(&mut self, half: &Half, source: Option<&Half>) {
        if half.caller == 0 && half.side == Side::Destination && self.seeks_callers {
            self.found_unnamed(half, source);
        }
    }

    #[inline(never)]
    fn found_unnamed(&mut self, destination: &Half, source: Option<&Half>) {
        let number = source.and_then(|source| source.own.checked_sub(1));
        self.callers_found.push(Caller {
            key: destination.key,
            end: destination.end,
            duration_us: destination.duration_us,
            proxy: number.and_then(|number| self.proxies.key(number)).cloned(),
        });
    }
}

/// A request of the proxy whose requests are all that wait here; `None` where there are none, or of several.
pub(super) fn sole(group: &[Half]) -> Option<&Half> {
    let mut sources = group.iter().filter(|half| half.side == Side::Source);
    let first = sources.next()?;
    sources.all(|source| source.own == first.own).then_some(first)
}
