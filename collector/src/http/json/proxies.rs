//! `/api/v1/proxies`: the ledger, one row per proxy, in total or since a time.
//!
//! Invariant: each row satisfies the equation of [`Entry`], or of the difference of two entries.

mod row;

pub use row::ProxyRow;

use super::filters::{self, FilterId, FilterRow, Groups};
use super::page::{AfterProxy, Page, Step, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::batch::Text;
use hopscope_core::engine::Engine;
use hopscope_core::identity::Liveness;
use hopscope_core::ledger::Entry;
use hopscope_core::recent::in_flight::InFlight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const PATH: &str = "/api/v1/proxies";

/// Parameters of a request.
pub(crate) struct Query {
    /// Only changes within this time.
    since_s: Option<u64>,
    page: Page<AfterProxy>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        let since_s = parameters.value("since_s", "a number of seconds", |text| text.parse().ok())?;
        Ok(Self { since_s, page: Page::read(parameters, "proxies")? })
    }
}

/// One page of the proxies, in the order of their node ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// Start of the counted time, microseconds since the Unix epoch; absent when everything is
    /// counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_us: Option<u64>,
    /// One row per proxy; with a start, one row per proxy with changes.
    pub proxies: Vec<ProxyRow>,
    /// Sum over all proxies, those of the other pages included; only on the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<ProxyRow>,
    /// Filters by version and configuration; only on the first page. More than one row means drift,
    /// or a rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterRow>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One proxy as copied from the engine.
struct Copied {
    proxy: Text,
    entry: Entry,
    source: &'static str,
    liveness: &'static str,
    filter: Option<FilterId>,
    in_flight: InFlight,
}

/// Entries at the start of the counted time; `None` when everything is counted.
#[derive(Clone)]
struct Then(Option<Arc<BTreeMap<Text, Entry>>>);

impl Then {
    fn of(&self, proxy: &str) -> Entry {
        self.0.as_ref().and_then(|then| then.get(proxy)).cloned().unwrap_or_default()
    }

    fn has_changed(&self, proxy: &str, now: &Entry) -> bool {
        self.0.as_ref().is_none_or(|then| match then.get(proxy) {
            Some(then) => then != now,
            None => *now != Entry::default(),
        })
    }

    fn row(&self, copied: &Copied) -> ProxyRow {
        let Copied { proxy, entry, source, liveness, in_flight, .. } = copied;
        ProxyRow {
            source: (*source).to_owned(),
            state: (*liveness).to_owned(),
            in_flight_requests: in_flight.count,
            oldest_age_us: in_flight.oldest_age_us,
            ..ProxyRow::difference(proxy, entry, &self.of(proxy))
        }
    }
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<Proxies> {
    let since = query.since_s.map(|since_s| view.now_us.saturating_sub(since_s.saturating_mul(1_000_000)));
    let (since_us, then) = match since {
        Some(since_us) => {
            let (since_us, then) = view.read(move |engine| engine.ledger().entries_at(since_us))?;
            (Some(since_us), Then(Some(then)))
        }
        None => (None, Then(None)),
    };
    let proxies = match query.page.cursor {
        Some(_) => next_page(view, &query.page, &then)?,
        None => first_page(view, &query.page, &then)?,
    };
    Some(Proxies { since_us, ..proxies })
}

fn next_page(view: &View, page: &Page<AfterProxy>, then: &Then) -> Option<Proxies> {
    let (now_us, known) = (view.now_us, then.clone());
    let (rows, next_cursor) = view.page(page, move |engine, after, _| {
        let (mut rows, next) = step(engine, &after, now_us);
        rows.retain(|row| known.has_changed(&row.proxy, &row.entry));
        (rows, next)
    })?;
    let proxies = rows.iter().map(|row| then.row(row)).collect();
    Some(Proxies { proxies, next_cursor, ..Proxies::default() })
}

/// Walks all proxies, since the first page has their sum and their filters.
fn first_page(view: &View, page: &Page<AfterProxy>, then: &Then) -> Option<Proxies> {
    let now_us = view.now_us;
    let (mut total, mut in_flight, mut filters) = (Entry::default(), InFlight::default(), Groups::default());
    let (mut proxies, mut last, mut next_cursor) = (Vec::new(), AfterProxy("".into()), None);
    let mut position = Some(last.clone());
    while let Some(after) = position {
        let step = move |engine: &Engine, after, _| step(engine, &after, now_us);
        let (rows, next) = view.slice(after, usize::MAX, step)?;
        position = next;
        for row in rows {
            total.add(&row.entry);
            in_flight.add(row.in_flight);
            if let Some(filter) = &row.filter {
                filters.add(&row.proxy, filter.clone());
            }
            if !then.has_changed(&row.proxy, &row.entry) {
                continue;
            }
            if proxies.len() < page.limit {
                proxies.push(then.row(&row));
                last = AfterProxy(row.proxy);
            } else if next_cursor.is_none() {
                next_cursor = Some(page.cursor_at(&last));
            }
        }
    }
    let mut before = Entry::default();
    then.0.iter().flat_map(|then| then.values()).for_each(|entry| before.add(entry));
    let total = ProxyRow {
        in_flight_requests: in_flight.count,
        oldest_age_us: in_flight.oldest_age_us,
        ..ProxyRow::difference("", &total, &before)
    };
    Some(Proxies { since_us: None, proxies, total: Some(total), filters: filters.rows(), next_cursor })
}

/// Copies the next proxy in the order of node ids.
fn step(engine: &Engine, AfterProxy(last): &AfterProxy, now_us: u64) -> Step<AfterProxy, Copied> {
    let Some((proxy, entry)) = engine.ledger().next_entry(last) else { return (Vec::new(), None) };
    let address_book = engine.address_book();
    let identity = address_book.known(&proxy).map(|(identity, _)| identity);
    let mut in_flight = InFlight::default();
    engine.in_flight().of(&proxy, now_us).into_values().for_each(|of_reporter| in_flight.add(of_reporter));
    let copied = Copied {
        proxy: proxy.clone(),
        entry,
        source: identity.map_or("", |identity| identity.source.label()),
        liveness: address_book.liveness(&proxy, now_us).map_or("", Liveness::label),
        filter: identity.and_then(filters::filter_of),
        in_flight,
    };
    (vec![copied], Some(AfterProxy(proxy)))
}
