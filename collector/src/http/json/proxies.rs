//! `/api/v1/proxies`: the books, one row per proxy.
//!
//! In: the ledger. Out: rows in the order of the proxies' names, and their sum, since ever or since a moment. Always
//! holds: each row's equation is that of [`Entry`], or the difference of two.

use super::filters::{self, FilterRow};
use hopscope_core::batch::{DropReason, Text};
use hopscope_core::identity::{AddressBook, Liveness};
use hopscope_core::ledger::{Entry, Ledger};
use hopscope_core::recent::in_flight::Open;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// The moment from which on was counted, microseconds since the Unix epoch; absent when it is since ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_us: Option<u64>,
    /// One per proxy; since a moment, one per proxy of which something was heard.
    pub proxies: Vec<ProxyRow>,
    /// Their sum.
    pub total: ProxyRow,
    /// Their filters, by version and configuration; more than one row is drift, or a change on its way.
    #[serde(default)]
    pub filters: Vec<FilterRow>,
}

/// `seen = delivered + folded + dropped + missing + in_flight + unaccounted`. Since a moment, what is open may be less
/// than it was then, and so be negative.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyRow {
    /// Envoy's node id; empty for the sum.
    pub proxy: String,
    /// How its requests come to be known: `filter`, or `als`, where what was lost on the way left no trace; empty for the
    /// sum, and for a proxy that was silent for long.
    #[serde(default)]
    pub source: String,
    /// What it does now: `reporting`, `quiet` (and nobody meets it: it ended), or `blind` (it serves requests, as others
    /// tell, and says nothing); empty for the sum, and for a proxy that was silent for long.
    #[serde(default)]
    pub state: String,
    /// Lives of its filter VMs.
    pub epochs: i64,
    /// Finished requests that the filter saw.
    pub seen: i64,
    /// Those counted one by one.
    pub delivered: i64,
    /// Those counted in fold rows.
    pub folded: i64,
    /// Those that will never be counted.
    pub dropped: i64,
    /// The same by reason.
    pub drops: BTreeMap<String, i64>,
    /// Those that were sent and had not arrived when their book was closed.
    pub missing: i64,
    /// Those that wait in the filter.
    pub in_flight: i64,
    /// Those that were sent and have not arrived.
    pub unaccounted: i64,
    /// Batches that came again, and were not counted again.
    pub duplicates: i64,
    /// Batches with a lower number than one that came, which did not come.
    pub batches_missing: i64,
    /// Of the delivered and folded ones those that another collector may count, too: an earlier attempt to hand them over went
    /// unanswered.
    #[serde(default)]
    pub uncertain: i64,
    /// Requests that have begun and not ended, now; they are no part of the equation.
    #[serde(default)]
    pub open: u64,
    /// Age of the oldest of those by now.
    #[serde(default)]
    pub open_oldest_age_us: u64,
}

impl Proxies {
    /// The same with what each proxy has open.
    pub(crate) fn with_open(mut self, open: &BTreeMap<Text, Open>) -> Self {
        let mut total = Open::default();
        for row in &mut self.proxies {
            let open = open.get(row.proxy.as_str()).copied().unwrap_or_default();
            (row.open, row.open_oldest_age_us) = (open.count, open.oldest_age_us);
            total.add(open);
        }
        (self.total.open, self.total.open_oldest_age_us) = (total.count, total.oldest_age_us);
        self
    }
}

/// All rows and their sum. `since_us`: microseconds since the Unix epoch; of moments that are remembered the last one
/// before it is taken.
pub(crate) fn rows(
    ledger: &Ledger,
    address_book: &AddressBook,
    since_us: Option<u64>,
    now_us: u64,
) -> Proxies {
    let liveness = |proxy: &str| address_book.liveness(proxy, now_us).map_or("", Liveness::label);
    let source = |proxy: &str| address_book.known(proxy).map_or("", |(identity, _)| identity.source.label());
    let now = ledger.entries();
    let nothing = BTreeMap::new();
    let (since_us, then) = match since_us.map(|since_us| ledger.entries_at(since_us)) {
        Some((since_us, then)) => (Some(since_us), then),
        None => (None, &nothing),
    };
    let none = Entry::default();
    let changed = now.iter().map(|(proxy, entry)| (proxy, entry, then.get(proxy).unwrap_or(&none)));
    let changed = changed.filter(|(_, now, then)| since_us.is_none() || now != then);
    Proxies {
        since_us,
        proxies: changed
            .map(|(proxy, now, then)| ProxyRow {
                source: source(proxy).to_owned(),
                state: liveness(proxy).to_owned(),
                ..row(proxy, now, then)
            })
            .collect(),
        filters: filters::rows(address_book),
        total: row("", &sum(&now), &sum(then)),
    }
}

fn sum(entries: &BTreeMap<Text, Entry>) -> Entry {
    let mut total = Entry::default();
    entries.values().for_each(|entry| total.add(entry));
    total
}

fn row(proxy: &str, now: &Entry, then: &Entry) -> ProxyRow {
    let change = |of: fn(&Entry) -> u64| difference(of(now), of(then));
    let dropped = |entry: &Entry, reason: &DropReason| entry.drops.get(reason).copied().unwrap_or(0);
    let reasons = now.drops.keys().chain(then.drops.keys());
    let drops = reasons.map(|reason| (reason, difference(dropped(now, reason), dropped(then, reason))));
    ProxyRow {
        proxy: proxy.to_owned(),
        epochs: change(|it| it.epochs),
        seen: change(|it| it.seen),
        delivered: change(|it| it.delivered),
        folded: change(|it| it.folded),
        dropped: change(Entry::dropped),
        drops: drops
            .filter(|(_, count)| *count != 0)
            .map(|(reason, count)| (reason.to_string(), count))
            .collect(),
        missing: change(|it| it.missing),
        in_flight: change(|it| it.in_flight),
        unaccounted: now.unaccounted().saturating_sub(then.unaccounted()),
        duplicates: change(|it| it.duplicates),
        batches_missing: change(|it| it.batches_missing),
        uncertain: change(|it| it.uncertain),
        ..ProxyRow::default()
    }
}

fn difference(now: u64, then: u64) -> i64 {
    i64::try_from(i128::from(now) - i128::from(then)).unwrap_or(i64::MAX)
}
