//! `/api/v1/proxies`: the books, one row per proxy.
//!
//! In: the ledger. Out: rows in the order of the proxies' names, and their sum. Always holds: each row's equation is that
//! of [`Entry`].

use crate::identity::AddressBook;
use crate::ledger::{Entry, Ledger};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// One per proxy.
    pub proxies: Vec<ProxyRow>,
    /// Their sum.
    pub total: ProxyRow,
}

/// `seen = delivered + folded + dropped + in_flight + unaccounted`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyRow {
    /// Envoy's node id; empty for the sum.
    pub proxy: String,
    /// How its requests come to be known: `filter`, or `als`, where what was lost on the way left no trace; empty for the
    /// sum, and for a proxy that was silent for long.
    #[serde(default)]
    pub source: String,
    /// Lives of its filter VMs.
    pub epochs: u64,
    /// Finished requests that the filter saw.
    pub seen: u64,
    /// Those counted one by one.
    pub delivered: u64,
    /// Those counted in fold rows.
    pub folded: u64,
    /// Those that will never be counted.
    pub dropped: u64,
    /// The same by reason.
    pub drops: BTreeMap<String, u64>,
    /// Those that wait in the filter.
    pub in_flight: u64,
    /// Those that were sent and have not arrived.
    pub unaccounted: i64,
    /// Batches that came again, and were not counted again.
    pub duplicates: u64,
    /// Batches with a lower number than one that came, which did not come.
    pub batches_missing: u64,
}

/// All rows and their sum.
pub(super) fn rows(ledger: &Ledger, address_book: &AddressBook) -> Proxies {
    let source = |proxy: &str| address_book.known(proxy).map_or("", |(identity, _)| identity.source.label());
    let entries = ledger.entries();
    let mut total = Entry::default();
    entries.values().for_each(|entry| total.add(entry));
    let proxies = entries.iter().map(|(proxy, entry)| row(proxy, source(proxy), entry)).collect();
    Proxies { proxies, total: row("", "", &total) }
}

fn row(proxy: &str, source: &str, entry: &Entry) -> ProxyRow {
    ProxyRow {
        proxy: proxy.to_owned(),
        source: source.to_owned(),
        epochs: entry.epochs,
        seen: entry.seen,
        delivered: entry.delivered,
        folded: entry.folded,
        dropped: entry.dropped(),
        drops: entry.drops.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
        in_flight: entry.in_flight,
        unaccounted: entry.unaccounted(),
        duplicates: entry.duplicates,
        batches_missing: entry.batches_missing,
    }
}
