//! `/metrics`.
//!
//! In: all state. Out: one text. Always holds: the sum over `hopscope_requests_total` is the number of requests that were
//! counted and not expired.

mod door;
mod journal;
mod settings;
mod tcp;

use super::exposition::{Exposition, Format, Kind};
use super::labels::{NAMES, Values};
use crate::aggregate::{Aggregate, Series};
use crate::identity::{AddressBook, Standing};
use crate::journal::Journal;
use crate::ledger::{Entry, Ledger};
use crate::measure::durations::Durations;
use crate::report::DropReason;
use crate::self_stats::SelfStats;
use crate::state::State;

/// Everything that is counted.
pub(super) fn render(state: &State, format: Format) -> String {
    let mut text = Exposition::new(format);
    let pipeline = state.pipeline();
    series(&mut text, &pipeline.aggregate);
    tcp::families(&mut text, &pipeline.connections);
    super::hops::metrics(&mut text, &pipeline.join);
    super::open::metrics(&mut text, &pipeline.open, state.now_us());
    ledger(&mut text, &pipeline.ledger);
    rooms(&mut text, &pipeline);
    standings(&mut text, &pipeline.address_book, state.now_us());
    drop(pipeline);
    doors(&mut text, state.stats());
    door::render(&mut text, state.stats().door());
    journal::families(&mut text, state.journal().map(Journal::stats));
    settings::render(&mut text, &state.stats().settings().seen());
    text.single(
        "hopscope_start_time_seconds",
        Kind::Gauge,
        "When the collector started, Unix time.",
        seconds(state.started_us()),
    );
    text.family("hopscope_build_info", Kind::Gauge, "Version of the collector; always 1.");
    text.sample("hopscope_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.end()
}

type Size = fn(&Series) -> u64;
type Row<'a> = (Values<'a>, &'a Series);

fn series(text: &mut Exposition, aggregate: &Aggregate) {
    let rows: Vec<Row<'_>> = aggregate.iter().map(|(key, series)| (Values::of(key), series)).collect();
    text.family(
        "hopscope_requests_total",
        Kind::Counter,
        "Finished requests, with Istio's labels, as each side of a call saw them.",
    );
    for (values, series) in &rows {
        text.sample("hopscope_requests_total", &values.pairs(), series.measure.count());
    }
    text.family("hopscope_request_duration_seconds", Kind::Histogram, "Duration of those requests.");
    for (values, series) in &rows {
        durations(text, "hopscope_request_duration_seconds", values, &series.measure.durations);
    }
    let sizes: [(&str, &str, Size); 2] = [
        ("hopscope_request_bytes_total", "Headers and bodies of those requests.", |it| {
            it.measure.request_bytes
        }),
        ("hopscope_response_bytes_total", "Headers and bodies of their responses.", |it| {
            it.measure.response_bytes
        }),
    ];
    for (name, help, size) in sizes {
        text.family(name, Kind::Counter, help);
        for (values, series) in &rows {
            text.sample(name, &values.pairs(), size(series));
        }
    }
}

fn durations(text: &mut Exposition, name: &str, values: &Values<'_>, durations: &Durations) {
    let pairs = values.pairs();
    let bucket = |text: &mut Exposition, bound: &str, count: u64| {
        let mut labels = [("le", bound); NAMES.len() + 1];
        for (label, pair) in labels.iter_mut().zip(pairs) {
            *label = pair;
        }
        text.sample(&format!("{name}_bucket"), &labels, count);
    };
    for (bound_us, count) in durations.cumulative() {
        bucket(text, &format!("{:?}", seconds(bound_us)), count);
    }
    bucket(text, "+Inf", durations.count());
    text.sample(&format!("{name}_sum"), &pairs, seconds(durations.sum_us()));
    text.sample(&format!("{name}_count"), &pairs, durations.count());
}

fn ledger(text: &mut Exposition, ledger: &Ledger) {
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
        text.sample("hopscope_ledger_dropped_total", &[("reason", &reason.to_string())], count);
    }
    let gauges = [
        (
            "hopscope_ledger_told_before_start",
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

fn rooms(text: &mut Exposition, pipeline: &crate::pipeline::Pipeline) {
    let (expired_series, expired_requests) = pipeline.aggregate.expired();
    let counters = [
        (
            "hopscope_series_overflow_requests_total",
            "Requests in overflow series.",
            pipeline.aggregate.overflowed(),
        ),
        ("hopscope_series_expired_total", "Series taken out since they were idle.", expired_series),
        ("hopscope_series_expired_requests_total", "Requests that those had counted.", expired_requests),
        (
            "hopscope_authorities_refused_total",
            "Requested authorities that are shown as `other`, since there were too many.",
            pipeline.address_book.authorities_refused(),
        ),
    ];
    for (name, help, value) in counters {
        text.single(name, Kind::Counter, help, value);
    }
    let gauges = [
        ("hopscope_series", "Series with labels of their own.", pipeline.aggregate.named() as u64),
        (
            "hopscope_address_book_proxies",
            "Proxies that said who they are.",
            pipeline.address_book.proxies() as u64,
        ),
        (
            "hopscope_waiting_groups",
            "Groups of requests that wait for their peer's name.",
            pipeline.waiting.len() as u64,
        ),
        ("hopscope_waiting_requests", "Requests in those groups.", pipeline.waiting.requests()),
    ];
    for (name, help, value) in gauges {
        text.single(name, Kind::Gauge, help, value);
    }
}

/// How many proxies report, are quiet, or blind.
fn standings(text: &mut Exposition, book: &AddressBook, now_us: u64) {
    text.family(
        "hopscope_proxies",
        Kind::Gauge,
        "Proxies by what they do now; `blind` serves requests, as others tell, and says nothing.",
    );
    for standing in Standing::ALL {
        let count = book.standing_so(standing, now_us) as u64;
        text.sample("hopscope_proxies", &[("standing", standing.label())], count);
    }
}

fn doors(text: &mut Exposition, stats: &SelfStats) {
    let (reports, bytes) = stats.taken();
    text.single("hopscope_ingest_reports_total", Kind::Counter, "Reports that were taken.", reports);
    text.single("hopscope_ingest_bytes_total", Kind::Counter, "Their size.", bytes);
    text.family("hopscope_ingest_refused_total", Kind::Counter, "Reports that were refused, by reason.");
    for (reason, count) in stats.refusals() {
        text.sample("hopscope_ingest_refused_total", &[("reason", reason)], count);
    }
}

pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}
