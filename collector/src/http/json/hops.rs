//! `/api/v1/hops`, and the hops in `/metrics`.
//!
//! In: the join. Out: one row per edge, and one sample per edge and verdict. Always holds: the verdicts of a row add up to
//! its hops, and so does its matrix; hops of edges that found no room stand in a row whose labels read `overflow`.

use crate::http::prometheus::{Buckets, Exposition, Kind, Names, Spelled, seconds};
use crate::runtime::reader::EngineReader;
use hopscope_core::join::{EdgeHops, Ending, HopEdge, Join, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const OVERFLOW: &str = "overflow";
const NAMES: [&str; 7] = [
    "source_workload",
    "source_workload_namespace",
    "source_version",
    "destination_workload",
    "destination_workload_namespace",
    "destination_version",
    "destination_service",
];

/// All rows, and what became of all records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hops {
    /// One per edge, sorted by who calls whom.
    pub hops: Vec<HopRow>,
    /// Records that wait for their other side.
    pub open: u64,
    /// Records by fate: `joined`, `alone`, `ambiguous`.
    pub records: BTreeMap<String, u64>,
    /// Records that were let go before their time, by reason.
    pub evicted: BTreeMap<String, u64>,
    /// Records that cannot be joined, by reason.
    pub unjoinable: BTreeMap<String, u64>,
}

/// The hops of one edge. Labels as in `/metrics`; durations in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HopRow {
    /// Who called.
    pub source_workload: String,
    /// Its namespace.
    pub source_namespace: String,
    /// Its version.
    pub source_version: String,
    /// Who was called, or meant.
    pub destination_workload: String,
    /// Its namespace.
    pub destination_namespace: String,
    /// Its version.
    pub destination_version: String,
    /// The service that was meant.
    pub destination_service: String,
    /// How many hops.
    pub hops: u64,
    /// Those whose two sides disagree.
    pub disagreements: u64,
    /// Hops by verdict; those that there are none of are left out.
    pub verdicts: BTreeMap<String, u64>,
    /// How each side saw them end.
    pub matrix: Vec<MatrixCell>,
    /// Hops whose gap could be measured: the caller's duration less the called side's.
    pub gap_count: u64,
    /// Half of those gaps were at most as long.
    pub gap_p50_us: f64,
    /// 99 % of them were at most as long.
    pub gap_p99_us: f64,
    /// The longest.
    pub gap_max_us: u64,
}

/// Hops that both sides saw end in the same two ways. `none` is a side that told nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MatrixCell {
    /// How the caller's side saw it.
    pub source: String,
    /// How the called side saw it.
    pub destination: String,
    /// What it comes to.
    pub verdict: String,
    /// How many.
    pub hops: u64,
}

/// All rows.
pub(crate) fn rows(join: &Join) -> Hops {
    let mut hops: Vec<HopRow> =
        books(join).map(|(edge, book)| row(labels(edge.as_ref()).map(str::to_owned), book)).collect();
    hops.sort_by(|a, b| order(a).cmp(&order(b)));
    let stats = join.stats();
    let fates = [("joined", stats.joined), ("alone", stats.alone), ("ambiguous", stats.ambiguous)];
    Hops {
        hops,
        open: join.open() as u64,
        records: fates.map(|(fate, count)| (fate.to_owned(), count)).into(),
        evicted: stats.evicted().map(|(reason, count)| (reason.label().to_owned(), count)).collect(),
        unjoinable: stats.unjoinable().map(|(reason, count)| (reason.label().to_owned(), count)).collect(),
    }
}

fn books(join: &Join) -> impl Iterator<Item = (Option<HopEdge>, &EdgeHops)> {
    let overflow = Some((None, join.overflow())).filter(|(_, book)| book.hops() > 0);
    let named = join.edges().map(|(edge, book)| (Some(edge), book));
    named.chain(overflow).filter(|(_, book)| book.hops() > 0)
}

fn order(row: &HopRow) -> [&str; 5] {
    [
        &row.source_workload,
        &row.source_version,
        &row.destination_workload,
        &row.destination_version,
        &row.destination_service,
    ]
}

/// Values of [`NAMES`].
fn labels(edge: Option<&HopEdge>) -> [&str; NAMES.len()] {
    let Some(HopEdge { source, destination, service }) = edge else { return [OVERFLOW; NAMES.len()] };
    [
        &source.workload,
        &source.namespace,
        &source.version,
        &destination.workload,
        &destination.namespace,
        &destination.version,
        service,
    ]
}

fn row(labels: [String; NAMES.len()], book: &EdgeHops) -> HopRow {
    let [
        source_workload,
        source_namespace,
        source_version,
        destination_workload,
        destination_namespace,
        destination_version,
        destination_service,
    ] = labels;
    let gap = book.gap().histogram();
    HopRow {
        source_workload,
        source_namespace,
        source_version,
        destination_workload,
        destination_namespace,
        destination_version,
        destination_service,
        hops: book.hops(),
        disagreements: book.disagreements(),
        verdicts: verdicts(book).map(|(verdict, count)| (verdict.label().to_owned(), count)).collect(),
        matrix: matrix(book),
        gap_count: gap.count(),
        gap_p50_us: gap.quantile(0.5),
        gap_p99_us: gap.quantile(0.99),
        gap_max_us: gap.max(),
    }
}

/// The verdicts that there are.
fn verdicts(book: &EdgeHops) -> impl Iterator<Item = (Verdict, u64)> + '_ {
    let counts = Verdict::ALL.into_iter().map(|verdict| (verdict, book.count(verdict)));
    counts.filter(|(_, count)| *count > 0)
}

fn matrix(book: &EdgeHops) -> Vec<MatrixCell> {
    let ending = |ending: Option<Ending>| ending.map_or("none", Ending::label).to_owned();
    let cells = book.cells().map(|(cell, hops)| MatrixCell {
        source: ending(cell.source),
        destination: ending(cell.destination),
        verdict: cell.verdict.label().to_owned(),
        hops,
    });
    let mut cells: Vec<MatrixCell> = cells.collect();
    cells.sort();
    cells
}

/// Edges that are copied in one look.
const CHUNK: usize = 128;

/// Calls `tell` for what `pick` takes of the hops of each edge.
fn each<T>(
    text: &mut Exposition<'_>,
    looks: &EngineReader,
    pick: impl Fn(&EdgeHops) -> Option<T> + Copy + Send + 'static,
    mut tell: impl FnMut(&mut Exposition<'_>, &Spelled, T),
) where
    T: Send + 'static,
{
    let mut next = Some(0);
    while let Some(from) = next.filter(|_| text.is_wanted()) {
        let some = looks.look(move |engine| some(&engine.join(), from, pick));
        let Some((rows, rest)) = some else { return text.give_up() };
        next = rest;
        for (edge, picked) in rows {
            let values = labels(edge.as_ref());
            let mut pairs = [("", ""); NAMES.len()];
            for (pair, named) in pairs.iter_mut().zip(NAMES.into_iter().zip(values)) {
                *pair = named;
            }
            let labels = text.spell(&pairs);
            tell(text, &labels, picked);
        }
    }
}

/// What `pick` takes of edges, and where to go on; none for the edges that found no room, which come last.
type Part<T> = (Vec<(Option<HopEdge>, T)>, Option<usize>);

fn some<T>(join: &Join, from: usize, pick: impl Fn(&EdgeHops) -> Option<T>) -> Part<T> {
    let to = from + CHUNK;
    let edges = join.some(from..to).filter_map(|(edge, book)| Some((Some(edge), pick(book)?)));
    let mut rows: Vec<_> = edges.collect();
    let rest = (to < join.numbers()).then_some(to);
    if rest.is_none() {
        rows.extend(pick(join.overflow()).map(|picked| (None, picked)));
    }
    (rows, rest)
}

/// The hops in `/metrics`, edge by edge.
pub(crate) fn metrics(text: &mut Exposition<'_>, looks: &EngineReader) {
    const HOPS: &str = "hopscope_hops_total";
    text.family(HOPS, Kind::Counter, "Hops, by what both sides say together.");
    let some = |book: &EdgeHops| (book.hops() > 0).then(|| verdicts(book).collect::<Vec<_>>());
    each(text, looks, some, |text, labels, verdicts| {
        for (verdict, count) in verdicts {
            text.labelled(HOPS, labels, ("verdict", verdict.label()), count);
        }
    });
    const GAP: &str = "hopscope_hop_gap_seconds";
    text.family(
        GAP,
        Kind::Histogram,
        "How much longer the caller's side took than the called side: network, TLS, queues.",
    );
    let names = Names::durations(GAP);
    let unit = text.native_unit(&names);
    let some =
        move |book: &EdgeHops| (book.gap().count() > 0).then(|| Buckets::of(book.gap().histogram(), unit));
    each(text, looks, some, |text, labels, buckets| text.histogram(&names, labels, &buckets, None));
}

/// What became of all records.
pub(crate) fn rooms(text: &mut Exposition<'_>, join: &Join) {
    let stats = join.stats();
    text.family("hopscope_join_records_total", Kind::Counter, "Records that could be joined, by their fate.");
    let fates = [("joined", stats.joined), ("alone", stats.alone), ("ambiguous", stats.ambiguous)];
    for (fate, count) in fates {
        text.sample("hopscope_join_records_total", &[("fate", fate)], count);
    }
    text.family("hopscope_join_evicted_total", Kind::Counter, "Records that were let go before their time.");
    for (reason, count) in stats.evicted() {
        text.sample("hopscope_join_evicted_total", &[("reason", reason.label())], count);
    }
    text.family("hopscope_join_unjoinable_total", Kind::Counter, "Records that cannot be joined, by reason.");
    for (reason, count) in stats.unjoinable() {
        text.sample("hopscope_join_unjoinable_total", &[("reason", reason.label())], count);
    }
    counts(text, join);
}

fn counts(text: &mut Exposition<'_>, join: &Join) {
    let stats = join.stats();
    let counters = [
        (
            "hopscope_join_low_confidence_total",
            "Hops whose pairing is not sure, so that they have no gap.",
            stats.unsure,
        ),
        ("hopscope_join_expired_hops_total", "Hops of edges that were forgotten.", stats.expired_hops),
    ];
    for (name, help, value) in counters {
        text.single(name, Kind::Counter, help, value);
    }
    let (pairs, skew_us) = join.clock_skew();
    let open = "Records that wait for their other side.";
    text.single("hopscope_join_pending_records", Kind::Gauge, open, join.open());
    text.single("hopscope_join_pending_bytes", Kind::Gauge, "Memory kept for them.", join.open_bytes());
    text.single(
        "hopscope_join_clock_pairs",
        Kind::Gauge,
        "Pairs of proxies whose clocks are compared.",
        pairs,
    );
    let help = "The largest known difference between the clocks of two proxies.";
    text.single("hopscope_join_clock_skew_max_seconds", Kind::Gauge, help, seconds(skew_us));
}
