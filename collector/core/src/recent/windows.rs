//! Windows of the last five minutes per edge, and of the last minute per called instance. Detectors
//! compare the latest windows with earlier ones, and one instance with the rest.
//!
//! In: statistics of the requests of a batch by edge and called instance, and the time. Out: per
//! edge up to [`WINDOWS`] windows of [`WINDOW_US`]; for the last [`INSTANCE_WINDOWS`] of them also
//! by instance.
//! Invariant: a request is in a window until the window expires, or in a count of refused requests.
//! An edge has at most `edge_instances_max` instances at a time; further ones are
//! [`Instance::Others`]. Cells take at most `bytes_max`; at this limit new cells are refused and
//! current ones stay. An edge without a series has no windows. The windows of an edge that stays
//! idle for their whole span are removed.
//!
//! The time is the collector's clock at the arrival of a batch, so a late record counts in the
//! window of its arrival. If the clock goes back, the newest window stays the same.
//!
//! A cell is one window of one edge and instance. The sum of its cells gives an edge's window.
//! Cells older than the last minute are merged over all instances, so a busy edge takes `(30 - 6 +
//! 6 × instances) × 32` bytes: 960 with one called instance, 1,728 with five.

mod cells;
mod instances;
mod reading;
mod settings;
mod snapshot;
mod window_stats;
pub(crate) mod metrics;

pub use reading::{Instance, InstanceShare, Window};
pub use settings::Settings;
pub use window_stats::WindowStats;

use crate::identity::EdgeId;
use cells::{CellPool, NONE, WindowCell};
use instances::Instances;

/// Length of a window in microseconds.
pub const WINDOW_US: u64 = 10 * 1_000_000;
/// Number of windows per edge, the current one included.
pub const WINDOWS: u32 = 30;
/// Number of newest windows that distinguish instances.
pub const INSTANCE_WINDOWS: u32 = 6;

/// Stands for the instances of an edge above the limit.
const OTHERS: u32 = u32::MAX;
/// Stands for all instances of an edge.
const ALL: u32 = u32::MAX - 1;

/// Number of [`Windows::expire`] calls that check all edges.
const EXPIRE_STEPS: usize = 32;
/// Minimum of edges that one call checks.
const EXPIRE_STEP_MIN: usize = 64;

/// Reason why requests are in no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The edge has no series of its own.
    Overflow,
    /// The memory limit of the windows is reached.
    Bytes,
}

impl Refused {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Overflow, Self::Bytes];

    /// Value of the label `reason`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Bytes => "bytes",
        }
    }
}

/// Windows of all edges.
#[derive(Debug, Default)]
pub struct Windows {
    limits: Settings,
    /// Newest cell of each edge, by the number of the edge.
    heads: Vec<u32>,
    edges: usize,
    cells: CellPool,
    instances: Instances,
    /// Number of the newest window.
    newest: u32,
    /// Edge that the next call of [`Windows::expire`] checks first.
    next_edge: usize,
    others: u64,
    refused: [u64; Refused::ALL.len()],
}

fn window_number(time_us: u64) -> u32 {
    u32::try_from(time_us / WINDOW_US).unwrap_or(u32::MAX)
}

impl Windows {
    /// Returns an empty store.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Applies other limits. Current windows stay until they expire.
    pub fn limit(&mut self, limits: Settings) {
        self.limits = limits;
    }

    /// Counts requests of an edge and one called instance. `now_us`: microseconds since the Unix
    /// epoch.
    pub fn add(&mut self, edge: Option<EdgeId>, instance: &str, stats: WindowStats, now_us: u64) {
        if stats.requests == 0 {
            return;
        }
        let Some(EdgeId(edge)) = edge else { return self.refuse(Refused::Overflow, stats) };
        if self.limits.bytes_max < size_of::<WindowCell>() {
            return self.refuse(Refused::Bytes, stats);
        }
        self.newest = self.newest.max(window_number(now_us));
        let instance = self.instances.number(instance);
        let found = self.find(self.head(edge), instance);
        let Some(index) = found.or_else(|| self.add_cell(edge, instance)) else {
            return self.refuse(Refused::Bytes, stats);
        };
        if let Some(cell) = self.cells.get_mut(index) {
            cell.add(stats);
            if cell.instance == OTHERS {
                self.others = self.others.saturating_add(stats.requests);
            }
        }
    }

    /// Removes idle edges. Each call checks a part of the edges; 32 calls check all.
    pub fn expire(&mut self, now_us: u64) {
        self.newest = self.newest.max(window_number(now_us));
        let count = self.heads.len().div_ceil(EXPIRE_STEPS).max(EXPIRE_STEP_MIN).min(self.heads.len());
        for _ in 0..count {
            let edge = self.next_edge;
            if self.cells.get(self.head_at(edge)).is_some_and(|cell| self.is_old(cell)) {
                self.remove_edge(edge);
            }
            self.next_edge += 1;
            if self.next_edge >= self.heads.len() {
                self.next_edge = 0;
                self.remove_unused_instances();
            }
        }
    }

    /// Removes edges without a series.
    pub fn retain(&mut self, exists: impl Fn(EdgeId) -> bool) {
        for edge in 0..self.heads.len() {
            let gone = u32::try_from(edge).is_ok_and(|number| !exists(EdgeId(number)));
            if gone && self.head_at(edge) != NONE {
                self.remove_edge(edge);
            }
        }
    }

    /// Prefetches the newest cell of an edge. Call it for many edges with `cell` false, then again
    /// with `cell` true. The result depends on the loaded memory, so that the compiler keeps the
    /// load.
    #[inline]
    pub(crate) fn fetch(&self, EdgeId(edge): EdgeId, cell: bool) -> u64 {
        let head = self.head(edge);
        if cell { self.cells.get(head).map_or(0, |cell| cell.at.into()) } else { head.into() }
    }

    fn refuse(&mut self, why: Refused, stats: WindowStats) {
        if let Some(refused) = self.refused.get_mut(why as usize) {
            *refused = refused.saturating_add(stats.requests);
        }
    }

    #[inline]
    fn head(&self, edge: u32) -> u32 {
        self.head_at(edge as usize)
    }

    #[inline]
    fn head_at(&self, edge: usize) -> u32 {
        self.heads.get(edge).copied().unwrap_or(NONE)
    }

    /// Returns the cell of an instance in the newest window.
    #[inline]
    fn find(&self, head: u32, instance: u32) -> Option<u32> {
        let newest = self.cells.list(head).take_while(|(_, cell)| cell.at == self.newest);
        newest.into_iter().find(|(_, cell)| cell.instance == instance).map(|(index, _)| index)
    }

    /// Adds a cell to the newest window; `None` at the memory limit.
    fn add_cell(&mut self, edge: u32, mut instance: u32) -> Option<u32> {
        if self.cells.get(self.head(edge)).is_some_and(|cell| cell.at < self.newest) {
            self.age(edge as usize);
        }
        let head = self.head(edge);
        if instance == OTHERS || self.is_crowded(head, instance) {
            instance = OTHERS;
            if let Some(found) = self.find(head, OTHERS) {
                return Some(found);
            }
        }
        let max = self.limits.bytes_max / size_of::<WindowCell>();
        let index = self.cells.insert(WindowCell::new(self.newest, instance, head), max)?;
        if self.heads.len() <= edge as usize {
            self.heads.resize(edge as usize + 1, NONE);
        }
        self.edges += usize::from(head == NONE);
        *self.heads.get_mut(edge as usize)? = index;
        Some(index)
    }

    /// Whether an edge has reached its limit of instances, and this instance is not one of them.
    fn is_crowded(&self, head: u32, instance: u32) -> bool {
        let recent = self.cells.list(head).map(|(_, cell)| cell).take_while(|cell| self.is_recent(cell));
        let mut known: Vec<u32> =
            recent.map(|cell| cell.instance).filter(|known| *known != OTHERS && *known != ALL).collect();
        known.sort_unstable();
        known.dedup();
        known.len() >= self.limits.edge_instances_max && !known.contains(&instance)
    }

    /// Frees the expired cells of an edge, and merges the instances of cells older than the last
    /// minute.
    fn age(&mut self, edge: usize) {
        let (mut index, mut last) = (self.head_at(edge), NONE);
        while let Some(cell) = self.cells.get(index).copied() {
            if self.is_old(&cell) {
                self.cells.free_list(index);
                match self.cells.get_mut(last) {
                    Some(last) => last.next = NONE,
                    None => self.clear_head(edge),
                }
                return;
            }
            if !self.is_recent(&cell) {
                if let Some(last) = self.cells.get_mut(last).filter(|last| last.at == cell.at) {
                    last.add(cell.stats());
                    last.next = cell.next;
                    index = self.cells.free(index);
                    continue;
                }
                if let Some(cell) = self.cells.get_mut(index) {
                    cell.instance = ALL;
                }
            }
            (last, index) = (index, cell.next);
        }
    }

    fn is_old(&self, cell: &WindowCell) -> bool {
        self.newest.saturating_sub(cell.at) >= WINDOWS
    }

    fn is_recent(&self, cell: &WindowCell) -> bool {
        self.newest.saturating_sub(cell.at) < INSTANCE_WINDOWS
    }

    fn remove_edge(&mut self, edge: usize) {
        self.cells.free_list(self.head_at(edge));
        self.clear_head(edge);
    }

    /// Marks an edge as one without cells.
    fn clear_head(&mut self, edge: usize) {
        if let Some(head) = self.heads.get_mut(edge) {
            *head = NONE;
            self.edges = self.edges.saturating_sub(1);
        }
    }

    /// Removes addresses that no cell uses, if there are many.
    fn remove_unused_instances(&mut self) {
        let cells = self.heads.iter().flat_map(|head| self.cells.list(*head));
        self.instances.remove_unused(cells.map(|(_, cell)| cell.instance));
    }
}

#[cfg(test)]
mod tests;
