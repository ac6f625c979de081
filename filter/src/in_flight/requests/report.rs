//! What is told of requests that have not ended.
//!
//! In: the table, and the time. Out: one [`InFlightSummary`] for each side of calls. Always holds: what is told adds up to no more than
//! what is open; at most `ROWS_MAX` edges stand in one.

use super::{Entry, RequestTable};
use crate::config::Config;
use crate::record::{Edge, Reporter};
use std::rc::Rc;

/// Rows in one [`InFlightSummary`].
pub(super) const ROWS_MAX: usize = 64;
/// Those that do not end are told again after so long.
const REPORT_INTERVAL_US: u64 = 5_000_000;

/// What one side of calls has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlightSummary {
    /// Which side.
    pub reporter: Reporter,
    /// How many.
    pub count: u64,
    /// Age of the oldest.
    pub oldest_age_us: u64,
    /// Those among them that are open for longer than the threshold.
    pub long_count: u64,
    /// Those of the latter that are named, by edge, the oldest first.
    pub long: Vec<LongRequests>,
}

/// Requests of one edge that are open for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongRequests {
    /// Between whom.
    pub edge: Rc<Edge>,
    /// How many.
    pub count: u64,
    /// Age of the oldest.
    pub oldest_age_us: u64,
    /// What their bodies had brought when Envoy was asked last.
    pub request_bytes: u64,
    /// The other way.
    pub response_bytes: u64,
}

impl RequestTable {
    /// Whether a batch should leave for the sake of those that do not end.
    #[must_use]
    pub fn is_due(&self, now_us: u64, config: &Config) -> bool {
        let again = now_us.saturating_sub(self.reported_us) >= REPORT_INTERVAL_US;
        let is_news = |entry: &Entry| self.named(entry.context).is_some_and(|named| again || !named.told);
        !self.named.is_empty() && self.older_than(now_us, config).any(is_news)
    }

    /// What is open now, one entry per reporter that is known and has something open; it then counts as told.
    #[inline(never)]
    pub fn tell(&mut self, now_us: u64, config: &Config) -> Vec<InFlightSummary> {
        let sides = [Reporter::Source, Reporter::Destination, Reporter::Waypoint];
        let told: Vec<InFlightSummary> =
            sides.into_iter().filter_map(|side| self.side(side, now_us, config)).collect();
        if told.iter().any(|open| open.long_count > 0) {
            self.reported_us = now_us;
        }
        let old: Vec<u32> = self.older_than(now_us, config).map(|entry| entry.context).collect();
        for context in old {
            let place = self.place_of_name(context).ok();
            if let Some((_, named)) = place.and_then(|place| self.named.get_mut(place)) {
                named.told = true;
            }
        }
        told
    }

    /// On which side an open request is. Of a plugin that serves both, only those that Envoy was asked about are known.
    fn side_of(&self, entry: &Entry) -> Option<Reporter> {
        if let Some(named) = self.named(entry.context) {
            return Some(named.edge.reporter);
        }
        self.roots.iter().find(|it| it.root == entry.root && !it.is_mixed).map(|it| it.reporter)
    }

    fn side(&self, reporter: Reporter, now_us: u64, config: &Config) -> Option<InFlightSummary> {
        let is_mine = |entry: &&Entry| entry.root != 0 && self.side_of(entry) == Some(reporter);
        let oldest = self.entries.iter().find(is_mine)?;
        let count = self.entries.iter().filter(is_mine).count();
        let mut open = InFlightSummary {
            reporter,
            count: u64::try_from(count).unwrap_or(u64::MAX),
            oldest_age_us: now_us.saturating_sub(oldest.start_us),
            long_count: 0,
            long: Vec::new(),
        };
        for entry in self.older_than(now_us, config).filter(is_mine) {
            open.long_count = open.long_count.saturating_add(1);
            let Some(named) = self.named(entry.context) else { continue };
            let age_us = now_us.saturating_sub(entry.start_us);
            if let Some(row) = open.long.iter_mut().find(|row| Rc::ptr_eq(&row.edge, &named.edge)) {
                row.count = row.count.saturating_add(1);
                row.oldest_age_us = row.oldest_age_us.max(age_us);
                row.request_bytes = row.request_bytes.saturating_add(named.moved.0);
                row.response_bytes = row.response_bytes.saturating_add(named.moved.1);
            } else if open.long.len() < ROWS_MAX {
                let edge = Rc::clone(&named.edge);
                let (request_bytes, response_bytes) = named.moved;
                open.long.push(LongRequests {
                    edge,
                    count: 1,
                    oldest_age_us: age_us,
                    request_bytes,
                    response_bytes,
                });
            }
        }
        Some(open)
    }

    /// The open requests that are over the threshold, oldest first.
    pub(super) fn older_than<'a>(
        &'a self,
        now_us: u64,
        config: &Config,
    ) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let until_us = now_us.saturating_sub(config.open_age_ms.saturating_mul(1_000));
        let old = self.entries.iter().take_while(move |entry| entry.start_us <= until_us);
        old.filter(|entry| entry.root != 0)
    }
}
