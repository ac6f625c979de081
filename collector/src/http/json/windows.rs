//! `/api/v1/windows`: the time windows of each edge.
//!
//! Invariant: a window without requests is absent, and so is an edge without windows.

use super::edge_filter::EdgeFilter;
use super::labels::EdgeLabels;
use super::page::{Page, Step, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::engine::Engine;
use hopscope_core::identity::ResolvedEdge;
use hopscope_core::recent::windows::{WINDOW_US, WINDOWS, Window, WindowStats};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(crate) const PATH: &str = "/api/v1/windows";

/// Edge numbers without windows that one step may pass.
const SKIPPED_MAX: usize = 128;

/// Parameters of a request.
pub(crate) struct Query {
    filter: Arc<EdgeFilter>,
    page: Page<usize>,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        let filter = Arc::new(EdgeFilter::read(parameters)?);
        Ok(Self { filter, page: Page::read(parameters, "windows")? })
    }
}

/// One page of the edges, in the order of their slots.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowRows {
    /// Time of the answer, microseconds since the Unix epoch.
    pub now_us: u64,
    /// Length of a window.
    pub window_us: u64,
    /// Windows of an edge at most, including the current one.
    pub windows_max: u32,
    /// One row per edge and reporter.
    pub edges: Vec<EdgeWindows>,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Windows of one edge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeWindows {
    /// Source, destination and reporter.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Windows, the newest last.
    pub windows: Vec<WindowRow>,
}

/// One window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Start of the window, microseconds since the Unix epoch.
    pub start_us: u64,
    /// Number of requests.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Sum of all durations.
    pub duration_us_sum: u64,
    /// Longest duration.
    pub duration_us_max: u64,
}

impl From<&Window> for WindowRow {
    fn from(Window { start_us, stats }: &Window) -> Self {
        let WindowStats { requests, failed, duration_us_sum, duration_us_max } = *stats;
        Self { start_us: *start_us, requests, failed, duration_us_sum, duration_us_max }
    }
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<WindowRows> {
    let (now_us, filter) = (view.now_us, query.filter.clone());
    let step = move |engine: &Engine, number, _| step(engine, &filter, number, now_us);
    let (edges, next_cursor) = view.page(&query.page, step)?;
    let row = |(edge, windows): &Copied| EdgeWindows {
        edge: EdgeLabels::from(edge),
        windows: windows.iter().map(WindowRow::from).collect(),
    };
    let edges = edges.iter().map(row).collect();
    Some(WindowRows { now_us, window_us: WINDOW_US, windows_max: WINDOWS, edges, next_cursor })
}

type Copied = (ResolvedEdge, Vec<Window>);

fn step(engine: &Engine, filter: &EdgeFilter, number: usize, now_us: u64) -> Step<usize, Copied> {
    let (found, next) = engine.windows().next_edge(number, SKIPPED_MAX);
    let copied = found.and_then(|(_, edge)| {
        let name = engine.edges().get(edge).filter(|name| filter.matches(name))?;
        Some((name, engine.windows().of(edge, now_us))).filter(|(_, windows)| !windows.is_empty())
    });
    (copied.into_iter().collect(), next)
}
