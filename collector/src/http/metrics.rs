//! `/metrics`.
//!
//! In: all state. Out: one text. Always holds: the sum over `hopscope_requests_total` is the number of requests that were
//! counted and not expired.

mod failures;
mod filters;
mod grpc;
mod hops;
mod in_flight;
mod journal;
mod settings;
mod streams;
mod tcp;
mod windows;

use super::labels::Values;
use super::prometheus::{Buckets, Exposition, Format, Kind, Names, Sink, Spelled, seconds};
use crate::journal::Journal;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::reader::EngineReader;
use crate::runtime::self_metrics::SelfMetrics;
use hopscope_core::aggregate::connections::{self, ConnectionSeries};
use hopscope_core::aggregate::{Exemplar, Key, Series};
use hopscope_core::batch::DropReason;
use hopscope_core::engine::Engine;
use hopscope_core::histogram::{Histogram, Messages, RequestStats};
use hopscope_core::identity::{AddressBook, EdgeTable, Liveness};
use hopscope_core::ledger::{Entry, Ledger};

/// Series that are copied in one look: for less than a tenth of a millisecond.
const CHUNK: usize = 128;

/// Everything that is counted, part by part into `sink`. Some series are copied at a time, so that nobody waits for long, and
/// the rooms are never held while the sink is waited for; two families may tell of different moments.
pub(super) fn render(
    state: &EngineHandle,
    looks: &EngineReader,
    format: Format,
    what: What,
    sink: &mut Sink<'_>,
) {
    let mut text = Exposition::new(format, sink);
    // Told below, but read first: what waits now and is in a series in a moment is then seen twice, not never.
    let waiting = looks.look(|engine| {
        let requests = engine.pending().requests().saturating_add(engine.pending_callers().len() as u64);
        (engine.pending().len() as u64, requests)
    });
    if what == What::All {
        series(&mut text, looks);
        hops::metrics(&mut text, looks);
    }
    tcp::families(&mut text, looks);
    streams::families(&mut text, looks);
    let now_us = state.now_us();
    part(&mut text, looks, |text, engine| hops::rooms(text, &engine.join()));
    part(&mut text, looks, move |text, engine| in_flight::metrics(text, &engine.in_flight(), now_us));
    part(&mut text, looks, |text, engine| ledger(text, &engine.ledger()));
    part(&mut text, looks, move |text, engine| {
        rooms(text, engine, waiting.unwrap_or_default());
        failures::metrics(text, &engine.failures(), engine.pending());
        windows::metrics(text, &engine.windows());
    });
    part(&mut text, looks, move |text, engine| {
        filters::metrics(text, &engine.address_book());
        standings(text, &engine.address_book(), now_us);
    });
    doors(&mut text, state.stats());
    grpc::render(&mut text, state.stats().door());
    journal::families(&mut text, state.journal().map(Journal::stats));
    settings::render(&mut text, &state.stats().settings().seen());
    text.single(
        "hopscope_start_time_seconds",
        Kind::Gauge,
        "When the collector started, Unix time.",
        seconds(state.started_us()),
    );
    text.family("hopscope_build_info", Kind::Gauge, "Version of the collector; always 1.");
    text.sample("hopscope_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1_u64);
    text.end();
}

/// What is told in one look, since it is not much.
fn part(
    text: &mut Exposition<'_>,
    looks: &EngineReader,
    tell: impl FnOnce(&mut Exposition<'_>, &Engine) + Send + 'static,
) {
    let format = text.format();
    match looks.look(move |engine| Exposition::part(format, |text| tell(text, engine))) {
        Some(part) => text.put(&part),
        None => text.give_up(),
    }
}

/// Name, help, and which figure of connections or streams.
type FlowCounter = (&'static str, &'static str, fn(&connections::Counts) -> u64);

fn counters(text: &mut Exposition<'_>, counters: &[FlowCounter], rows: &[(Spelled, &connections::Series)]) {
    for (name, help, figure) in counters {
        text.family(name, Kind::Counter, help);
        for (labels, series) in rows {
            text.counter(name, labels, figure(&series.counts), series.created_us);
        }
    }
}

/// All series of connections or streams, in one look: there are few beside those of requests, and their map has no place to go
/// on from.
fn copied(edges: &EdgeTable, flows: &ConnectionSeries) -> Vec<(Key, connections::Series)> {
    flows.iter(edges).map(|(key, series)| (key, series.clone())).collect()
}

/// What of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// All.
    All,
    /// What the collector counts about itself: no family with a series per edge.
    Own,
}

/// Calls `tell` for what `pick` takes of each series that it takes something of.
fn each<T>(
    text: &mut Exposition<'_>,
    looks: &EngineReader,
    pick: impl Fn(&Series, Option<Exemplar>) -> Option<T> + Copy + Send + 'static,
    mut tell: impl FnMut(&mut Exposition<'_>, &Spelled, T),
) where
    T: Send + 'static,
{
    let mut next = Some(0);
    while let Some(from) = next.filter(|_| text.is_wanted()) {
        let some = looks.look(move |engine| engine.aggregate().some(engine.edges(), from, CHUNK, pick));
        let Some((rows, rest)) = some else { return text.give_up() };
        next = rest;
        for (key, picked) in rows {
            let labels = text.spell(&Values::of(&key).pairs());
            tell(text, &labels, picked);
        }
    }
}

/// A histogram of a series.
type Sizes = fn(&RequestStats) -> Histogram<'_>;

fn series(text: &mut Exposition<'_>, looks: &EngineReader) {
    const REQUESTS: &str = "hopscope_requests_total";
    text.family(
        REQUESTS,
        Kind::Counter,
        "Finished requests, with Istio's labels, as each side of a call saw them.",
    );
    each(
        text,
        looks,
        |series, _| Some((series.created_us(), series.measure.count())),
        |text, labels, (created_us, count)| text.counter(REQUESTS, labels, count, created_us),
    );
    const DURATION: &str = "hopscope_request_duration_seconds";
    text.family(DURATION, Kind::Histogram, "Duration of those requests.");
    let names = Names::durations(DURATION);
    let unit = text.native_unit(&names);
    each(
        text,
        looks,
        move |series, exemplar| {
            let buckets = Buckets::of(series.measure.durations(), unit).with_exemplar(exemplar);
            Some((series.created_us(), buckets))
        },
        |text, labels, (created_us, buckets)| text.histogram(&names, labels, &buckets, Some(created_us)),
    );
    messages(text, looks);
    const SIZES: [(&str, &str, Sizes); 2] = [
        ("hopscope_request_bytes", "Headers and bodies of those requests.", RequestStats::request_sizes),
        ("hopscope_response_bytes", "Headers and bodies of their responses.", RequestStats::response_sizes),
    ];
    for (name, help, sizes) in SIZES {
        text.family(name, Kind::Histogram, help);
        let names = Names::sizes(name);
        let unit = text.native_unit(&names);
        each(
            text,
            looks,
            move |series, _| Some((series.created_us(), Buckets::of(sizes(&series.measure), unit))),
            |text, labels, (created_us, buckets)| text.histogram(&names, labels, &buckets, Some(created_us)),
        );
    }
}

/// Only of series that have any.
fn messages(text: &mut Exposition<'_>, looks: &EngineReader) {
    type Side = fn(Messages) -> u64;
    const MESSAGES: [(&str, &str, Side); 2] = [
        ("hopscope_request_messages_total", "gRPC messages that clients sent.", |it| it.request),
        ("hopscope_response_messages_total", "gRPC messages that clients got.", |it| it.response),
    ];
    for (name, help, side) in MESSAGES {
        text.family(name, Kind::Counter, help);
        each(
            text,
            looks,
            move |series, _| Some((series.created_us(), series.measure.messages().map(side)?)),
            |text, labels, (created_us, count)| text.counter(name, labels, count, created_us),
        );
    }
}

fn ledger(text: &mut Exposition<'_>, ledger: &Ledger) {
    let mut total = Entry::default();
    ledger.entries().values().for_each(|entry| total.add(entry));
    let unaccounted = total.unaccounted();
    let counters = [
        (
            "hopscope_ledger_seen_total",
            "Finished requests and closed TCP connections that the filters saw.",
            total.seen,
        ),
        ("hopscope_ledger_delivered_total", "Those that arrived one by one.", total.delivered),
        ("hopscope_ledger_folded_total", "Those that arrived as parts of fold rows.", total.folded),
        (
            "hopscope_ledger_missing_total",
            "Requests that had not arrived when their book was closed.",
            total.missing,
        ),
        (
            "hopscope_ledger_duplicate_total",
            "Batches that came again, and were not counted again.",
            total.duplicates,
        ),
        (
            "hopscope_ledger_uncertain_total",
            "Counted requests that another collector may count, too: an earlier attempt went unanswered.",
            total.uncertain,
        ),
        (
            "hopscope_ledger_uncertain_batches_total",
            "The batches that brought those.",
            total.uncertain_batches,
        ),
    ];
    for (name, help, value) in counters {
        text.single(name, Kind::Counter, help, value);
    }
    text.family(
        "hopscope_ledger_dropped_total",
        Kind::Counter,
        "Requests that will not be counted, by reason.",
    );
    let known =
        [DropReason::FoldTableFull, DropReason::Refused, DropReason::TooLarge, DropReason::EpochEnded];
    for reason in known {
        let count = total.drops.remove(&reason).unwrap_or(0);
        text.sample("hopscope_ledger_dropped_total", &[("reason", &reason.to_string())], count);
    }
    // A batch that comes late takes from this one, so it is no counter.
    let before = total.drops.remove(&DropReason::CollectorRestart).unwrap_or(0);
    for (reason, count) in &total.drops {
        text.sample("hopscope_ledger_dropped_total", &[("reason", &reason.to_string())], *count);
    }
    let gauges = [
        (
            "hopscope_ledger_pre_restart_requests",
            "Requests that were told to an earlier life of the collector.",
            before,
        ),
        (
            "hopscope_ledger_unaccounted",
            "Requests that were sent and have not arrived, in open books.",
            u64::try_from(unaccounted).unwrap_or(0),
        ),
        ("hopscope_ledger_history_entries", "Entries of earlier moments.", ledger.remembered() as u64),
        ("hopscope_ledger_in_flight", "Requests that wait in the filters.", total.in_flight),
        ("hopscope_ledger_missing_batches", "Batches that a later one overtook.", total.batches_missing),
        ("hopscope_ledger_epochs", "Open books, one per filter VM.", ledger.open() as u64),
    ];
    for (name, help, value) in gauges {
        text.single(name, Kind::Gauge, help, value);
    }
}

fn rooms(text: &mut Exposition<'_>, engine: &Engine, waiting: (u64, u64)) {
    let (expired_series, expired_requests) = engine.aggregate().expired();
    let counters = [
        (
            "hopscope_series_overflow_requests_total",
            "Requests in overflow series.",
            engine.aggregate().overflowed(),
        ),
        ("hopscope_series_expired_total", "Series taken out since they were idle.", expired_series),
        ("hopscope_series_expired_requests_total", "Requests that those had counted.", expired_requests),
        (
            "hopscope_identity_authorities_rejected_total",
            "Requested authorities that are shown as `other`, since there were too many.",
            engine.address_book().authorities_refused(),
        ),
        (
            "hopscope_caller_inference_rejected_total",
            "Requests that could not wait until the join had found their caller, since too many did.",
            engine.pending_callers().refused(),
        ),
        (
            "hopscope_edge_cache_evicted_total",
            "Edges that were forgotten since too many were known, and are learnt anew.",
            engine.known_edges().1,
        ),
    ];
    for (name, help, value) in counters {
        text.single(name, Kind::Counter, help, value);
    }
    let gauges = [
        ("hopscope_series", "Series with labels of their own.", engine.aggregate().named() as u64),
        (
            "hopscope_identity_proxies",
            "Proxies that said who they are.",
            engine.address_book().proxies() as u64,
        ),
        (
            "hopscope_identity_pending_groups",
            "Groups of requests that wait for their peer's name.",
            waiting.0,
        ),
        (
            "hopscope_caller_inference_pending_requests",
            "Requests among those whose caller the join may find.",
            engine.pending_callers().len() as u64,
        ),
        (
            "hopscope_edge_cache_entries",
            "Edges, each as one proxy tells it, whose names need no look in the address book.",
            engine.known_edges().0 as u64,
        ),
        ("hopscope_edges", "Edges that have such series.", engine.aggregate().edges() as u64),
        (
            "hopscope_identity_pending_requests",
            "Requests that wait for their peer's name, in those groups or one by one.",
            waiting.1,
        ),
    ];
    for (name, help, value) in gauges {
        text.single(name, Kind::Gauge, help, value);
    }
}

/// How many proxies report, are quiet, or blind.
fn standings(text: &mut Exposition<'_>, book: &AddressBook, now_us: u64) {
    text.family(
        "hopscope_proxies",
        Kind::Gauge,
        "Proxies by what they do now; `blind` serves requests, as others tell, and says nothing.",
    );
    for liveness in Liveness::ALL {
        let count = book.count_by_liveness(liveness, now_us) as u64;
        text.sample("hopscope_proxies", &[("liveness", liveness.label())], count);
    }
}

fn doors(text: &mut Exposition<'_>, stats: &SelfMetrics) {
    let (reports, bytes) = stats.taken();
    text.single("hopscope_grpc_reports_total", Kind::Counter, "Reports that were taken.", reports);
    text.single("hopscope_grpc_bytes_total", Kind::Counter, "Their size.", bytes);
    text.family(
        "hopscope_grpc_reports_rejected_total",
        Kind::Counter,
        "Reports that were refused, by reason.",
    );
    for (reason, count) in stats.refusals() {
        text.sample("hopscope_grpc_reports_rejected_total", &[("reason", reason)], count);
    }
}
