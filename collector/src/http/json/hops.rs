//! `/api/v1/hops`: one row per edge of the hops, with the verdicts.
//!
//! Invariant: the verdicts of a row add up to its hops, and so does its matrix. Hops of edges
//! beyond the limit are in one row, whose labels are `overflow`.

use super::labels::EdgeLabels;
use super::page::{Page, Step, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::histogram::durations::Durations;
use hopscope_core::join::{EdgeHops, Ending, HopEdge, Join, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const PATH: &str = "/api/v1/hops";

/// Parameters of a request.
pub(crate) struct Query {
    page: Page<usize>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        Ok(Self { page: Page::read(parameters, "hops")? })
    }
}

/// One page of the edges, in the order of their slots, and the counts of all records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hops {
    /// One row per edge.
    pub hops: Vec<HopRow>,
    /// Records that are pending until the record of their other side arrives.
    pub pending: u64,
    /// Records by result of the join: `joined`, `alone`, `ambiguous`.
    pub records: BTreeMap<String, u64>,
    /// Pending records that were evicted, by reason.
    pub evicted: BTreeMap<String, u64>,
    /// Records that cannot be joined, by reason.
    pub unjoinable: BTreeMap<String, u64>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Hops of one edge. Labels as in `/metrics`; durations in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HopRow {
    /// Source and destination.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Number of hops.
    pub hops: u64,
    /// Hops whose two sides disagree.
    pub disagreements: u64,
    /// Hops by verdict; verdicts without hops are absent.
    pub verdicts: BTreeMap<String, u64>,
    /// Hops by the results that both sides reported.
    pub matrix: Vec<MatrixCell>,
    /// Hops with a gap: the duration at the source minus the duration at the destination.
    pub gap_count: u64,
    /// Median gap.
    pub gap_p50_us: f64,
    /// 99th percentile of the gap.
    pub gap_p99_us: f64,
    /// Longest gap.
    pub gap_max_us: u64,
}

/// Hops with the same results at both sides; `none` for a side without a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MatrixCell {
    /// Result at the source.
    pub source: String,
    /// Result at the destination.
    pub destination: String,
    /// Verdict on both results.
    pub verdict: String,
    /// Number of hops.
    pub hops: u64,
}

/// Hops of one edge as copied from the engine; without an edge, the hops beyond the limit.
struct Copied {
    edge: Option<HopEdge>,
    cells: Vec<Cell>,
    gap: Durations,
}

/// Hops with the same results at both sides.
struct Cell {
    verdict: Verdict,
    source: Option<Ending>,
    destination: Option<Ending>,
    hops: u64,
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<Hops> {
    let totals = view.read(|engine| totals(engine.join()))?;
    let (edges, next_cursor) = view.page(&query.page, |engine, slot, _| step(engine.join(), slot))?;
    Some(Hops { hops: edges.into_iter().map(row).collect(), next_cursor, ..totals })
}

/// Counts of all records.
fn totals(join: &Join) -> Hops {
    let stats = join.stats();
    let results = [
        ("joined", stats.joined),
        ("alone", stats.alone),
        ("ambiguous", stats.ambiguous),
        ("late", stats.late),
    ];
    Hops {
        pending: join.pending() as u64,
        records: results.map(|(result, count)| (result.to_owned(), count)).into(),
        evicted: stats.evicted().map(|(reason, count)| (reason.label().to_owned(), count)).collect(),
        unjoinable: stats.unjoinable().map(|(reason, count)| (reason.label().to_owned(), count)).collect(),
        ..Hops::default()
    }
}

/// Copies the edge in a slot. The slot after the last edge holds the hops beyond the limit.
fn step(join: &Join, slot: usize) -> Step<usize, Copied> {
    let copy = |edge: Option<HopEdge>, hops: &EdgeHops| {
        let cells = hops.outcomes().map(|(cell, hops)| Cell {
            verdict: cell.verdict,
            source: cell.source,
            destination: cell.destination,
            hops,
        });
        let cells: Vec<Cell> = cells.collect();
        (!cells.is_empty()).then(|| Copied { edge, cells, gap: hops.gap().clone() })
    };
    if slot >= join.edges_end() {
        return (copy(None, join.overflow()).into_iter().collect(), None);
    }
    let edges = join.edges_in(slot..slot + 1).filter_map(|(edge, hops)| copy(Some(edge), hops));
    (edges.collect(), Some(slot + 1))
}

fn row(Copied { edge, cells, gap }: Copied) -> HopRow {
    let mut verdicts = BTreeMap::new();
    let (mut hops, mut disagreements) = (0_u64, 0_u64);
    for cell in &cells {
        hops = hops.saturating_add(cell.hops);
        if cell.verdict.is_disagreement() {
            disagreements = disagreements.saturating_add(cell.hops);
        }
        let of_verdict: &mut u64 = verdicts.entry(cell.verdict.label().to_owned()).or_default();
        *of_verdict = of_verdict.saturating_add(cell.hops);
    }
    let gap = gap.histogram();
    HopRow {
        edge: edge.as_ref().map_or_else(EdgeLabels::overflow, EdgeLabels::from),
        hops,
        disagreements,
        verdicts,
        matrix: matrix(&cells),
        gap_count: gap.count(),
        gap_p50_us: gap.quantile(0.5),
        gap_p99_us: gap.quantile(0.99),
        gap_max_us: gap.max(),
    }
}

fn matrix(cells: &[Cell]) -> Vec<MatrixCell> {
    let label = |ending: Option<Ending>| ending.map_or("none", Ending::label).to_owned();
    let cells = cells.iter().map(|cell| MatrixCell {
        source: label(cell.source),
        destination: label(cell.destination),
        verdict: cell.verdict.label().to_owned(),
        hops: cell.hops,
    });
    let mut cells: Vec<MatrixCell> = cells.collect();
    cells.sort();
    cells
}
