//! `/api/v1/hops`: the hops of each edge.
//!
//! In: the join. Out: one row per edge. Always holds: the verdicts of a row add up to its hops, and so does its matrix; hops of
//! edges that found no room stand in a row whose labels read `overflow`.

use hopscope_core::join::{EdgeHops, Ending, HopEdge, Join, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const OVERFLOW: &str = "overflow";
/// Labels of an edge.
const LABELS: usize = 7;

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

/// Values of the labels of an edge, in the order of [`HopRow`].
fn labels(edge: Option<&HopEdge>) -> [&str; LABELS] {
    let Some(HopEdge { source, destination, service }) = edge else { return [OVERFLOW; LABELS] };
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

fn row(labels: [String; LABELS], book: &EdgeHops) -> HopRow {
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
