//! The reported summary of in-flight requests.
//!
//! In: the table, and the time. Out: one [`InFlightSummary`] per reporter.
//! Invariant: the reported counts sum up to at most the number of in-flight requests; a summary has
//! at most `ROWS_MAX` edges.

use super::requests::{Entry, RequestTable};
use crate::config::Config;
use crate::record::{Edge, Reporter};
use std::rc::Rc;

/// Rows of one [`InFlightSummary`].
pub(super) const ROWS_MAX: usize = 64;
/// The interval between two reports of long requests.
const REPORT_INTERVAL_US: u64 = 5_000_000;

/// The in-flight requests of one reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlightSummary {
    /// The reporter.
    pub reporter: Reporter,
    /// The number of requests.
    pub count: u64,
    /// Age of the oldest request.
    pub oldest_age_us: u64,
    /// The number of requests over the age threshold.
    pub long_count: u64,
    /// Resolved requests over the age threshold, by edge, the oldest first.
    pub long: Vec<LongRequests>,
}

/// Requests of one edge over the age threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongRequests {
    /// The edge.
    pub edge: Rc<Edge>,
    /// The number of requests.
    pub count: u64,
    /// Age of the oldest request.
    pub oldest_age_us: u64,
    /// Bytes of the request bodies at the last refresh.
    pub request_bytes: u64,
    /// Bytes of the response bodies at the last refresh.
    pub response_bytes: u64,
}

impl RequestTable {
    /// Returns whether long requests require a report: new ones, or known ones after
    /// `REPORT_INTERVAL_US`.
    #[must_use]
    pub fn is_due(&self, now_us: u64, config: &Config) -> bool {
        let repeats = now_us.saturating_sub(self.reported_us) >= REPORT_INTERVAL_US;
        let is_due = |entry: &Entry| {
            self.resolved(entry.context).is_some_and(|request| repeats || !request.is_reported)
        };
        !self.resolved.is_empty() && self.older_than(now_us, config).any(is_due)
    }

    /// Returns one summary per known reporter with in-flight requests, and marks them as reported.
    #[inline(never)]
    pub fn report(&mut self, now_us: u64, config: &Config) -> Vec<InFlightSummary> {
        let sides = [Reporter::Source, Reporter::Destination, Reporter::Waypoint];
        let summaries: Vec<InFlightSummary> =
            sides.into_iter().filter_map(|side| self.summary(side, now_us, config)).collect();
        if summaries.iter().any(|summary| summary.long_count > 0) {
            self.reported_us = now_us;
        }
        let long: Vec<u32> = self.older_than(now_us, config).map(|entry| entry.context).collect();
        for context in long {
            let index = self.resolved_index(context).ok();
            if let Some((_, request)) = index.and_then(|index| self.resolved.get_mut(index)) {
                request.is_reported = true;
            }
        }
        summaries
    }

    /// Returns the reporter of a request. Where a root context serves both sides, only the reporter
    /// of resolved requests is known.
    fn reporter_of(&self, entry: &Entry) -> Option<Reporter> {
        if let Some(request) = self.resolved(entry.context) {
            return Some(request.edge.reporter);
        }
        self.roots.reporter(entry.root)
    }

    fn summary(&self, reporter: Reporter, now_us: u64, config: &Config) -> Option<InFlightSummary> {
        let matches = |entry: &&Entry| entry.root != 0 && self.reporter_of(entry) == Some(reporter);
        let oldest = self.entries.iter().find(matches)?;
        let count = self.entries.iter().filter(matches).count();
        let mut summary = InFlightSummary {
            reporter,
            count: u64::try_from(count).unwrap_or(u64::MAX),
            oldest_age_us: now_us.saturating_sub(oldest.start_us),
            long_count: 0,
            long: Vec::new(),
        };
        for entry in self.older_than(now_us, config).filter(matches) {
            summary.long_count = summary.long_count.saturating_add(1);
            let Some(request) = self.resolved(entry.context) else { continue };
            let age_us = now_us.saturating_sub(entry.start_us);
            let (request_bytes, response_bytes) = request.bytes;
            if let Some(row) = summary.long.iter_mut().find(|row| Rc::ptr_eq(&row.edge, &request.edge)) {
                row.count = row.count.saturating_add(1);
                row.oldest_age_us = row.oldest_age_us.max(age_us);
                row.request_bytes = row.request_bytes.saturating_add(request_bytes);
                row.response_bytes = row.response_bytes.saturating_add(response_bytes);
            } else if summary.long.len() < ROWS_MAX {
                let edge = Rc::clone(&request.edge);
                let oldest_age_us = age_us;
                summary.long.push(LongRequests {
                    edge,
                    count: 1,
                    oldest_age_us,
                    request_bytes,
                    response_bytes,
                });
            }
        }
        Some(summary)
    }
}
