//! One row of the ledger.

use hopscope_core::batch::DropReason;
use hopscope_core::ledger::Entry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `seen = delivered + folded + dropped + missing + in_flight + unaccounted`. Since a time, terms
/// that can decrease may be negative.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyRow {
    /// Envoy's node id; empty for the sum.
    pub proxy: String,
    /// Source of the records: `filter`, or `als`, for which lost records are not detected; empty
    /// for the sum, and for a proxy that has been silent for long.
    #[serde(default)]
    pub source: String,
    /// Current state: `reporting`, `idle` (no other proxy reports requests with it: it has ended),
    /// or `not_reporting` (other proxies report requests with it, but it does not report); empty
    /// for the sum, and for a proxy that has been silent for long.
    #[serde(default)]
    pub state: String,
    /// Epochs of its filter VMs.
    pub epochs: i64,
    /// Finished requests that the filter has seen.
    pub seen: i64,
    /// Requests that are counted from individual records.
    pub delivered: i64,
    /// Requests that are counted from fold rows.
    pub folded: i64,
    /// Requests that will never be counted.
    pub dropped: i64,
    /// Dropped requests by reason.
    pub drops: BTreeMap<String, i64>,
    /// Requests that were sent and had not arrived when their epoch was closed.
    pub missing: i64,
    /// Finished requests that are queued in the filter.
    pub in_flight: i64,
    /// Requests that were sent and have not arrived.
    pub unaccounted: i64,
    /// Batches that arrived again and were not counted again.
    pub duplicates: i64,
    /// Batches below the highest sequence number that have not arrived.
    pub batches_missing: i64,
    /// Delivered and folded requests that another collector may count as well: an earlier attempt
    /// to deliver them was not acknowledged.
    #[serde(default)]
    pub uncertain: i64,
    /// Requests in flight now; they are not part of the equation.
    #[serde(default)]
    pub in_flight_requests: u64,
    /// Current age of the oldest request in flight.
    #[serde(default)]
    pub oldest_age_us: u64,
}

impl ProxyRow {
    /// Returns the difference of two entries of one proxy, without its state and its requests in
    /// flight.
    pub(super) fn difference(proxy: &str, now: &Entry, then: &Entry) -> Self {
        let change = |of: fn(&Entry) -> u64| difference(of(now), of(then));
        let dropped = |entry: &Entry, reason: &DropReason| entry.drops.get(reason).copied().unwrap_or(0);
        let reasons = now.drops.keys().chain(then.drops.keys());
        let drops = reasons.map(|reason| (reason, difference(dropped(now, reason), dropped(then, reason))));
        let drops = drops.filter(|(_, count)| *count != 0);
        Self {
            proxy: proxy.to_owned(),
            epochs: change(|entry| entry.epochs),
            seen: change(|entry| entry.seen),
            delivered: change(|entry| entry.delivered),
            folded: change(|entry| entry.folded),
            dropped: change(Entry::dropped),
            drops: drops.map(|(reason, count)| (reason.to_string(), count)).collect(),
            missing: change(|entry| entry.missing),
            in_flight: change(|entry| entry.in_flight),
            unaccounted: now.unaccounted().saturating_sub(then.unaccounted()),
            duplicates: change(|entry| entry.duplicates),
            batches_missing: change(|entry| entry.batches_missing),
            uncertain: change(|entry| entry.uncertain),
            ..Self::default()
        }
    }
}

fn difference(now: u64, then: u64) -> i64 {
    i64::try_from(i128::from(now) - i128::from(then)).unwrap_or(i64::MAX)
}
