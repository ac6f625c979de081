//! The last five minutes of each edge, and the last minute of each called instance, for a comparison of now with before and of
//! one with the rest.
//!
//! In: what the requests of a batch amount to, by edge and called instance, and the time. Out: per edge up to [`WINDOWS`] windows
//! of [`WINDOW_US`], and for the last [`INSTANCE_WINDOWS`] of them the same by instance. Always holds: what came in is in a
//! window until that is too old, or in a count of what was refused; an edge has no more than `edge_instances_max` instances at a
//! time, others being [`Instance::Others`]; cells take no more than `bytes_max`, and what finds no room then is refused and
//! counted, while what is there stays; an edge without a series has no windows, and one that is idle for as long as they
//! reach goes.
//!
//! The time is that of the collector when it took a batch: what comes late is in the window in which it came. When the clock
//! goes back, it stands still here. Nothing is part of a checkpoint: after a start there is what the journal still has.
//!
//! A cell is one window of one edge and instance. What an edge had in a window is the sum of its cells; those that are older
//! than the last minute are one for all instances, so a busy edge takes `(30 - 6 + 6 × instances) × 32` bytes: 960 with one
//! called instance, 1,728 with five.

mod cells;
mod instances;
mod reading;
mod settings;
mod window_stats;
pub(crate) mod metrics;

pub use reading::{Instance, Share, Window};
pub use settings::Settings;
pub use window_stats::Tally;

use crate::identity::EdgeId;
use cells::{Cell, Cells, NONE};
use instances::Instances;

/// How long a window is.
pub const WINDOW_US: u64 = 10 * 1_000_000;
/// Windows of an edge, that of now included.
pub const WINDOWS: u32 = 30;
/// Those of them in which instances are told apart.
pub const INSTANCE_WINDOWS: u32 = 6;

/// Stands for the instances of an edge that found no room.
const OTHERS: u32 = u32::MAX;
/// Stands for all instances of an edge.
const ALL: u32 = u32::MAX - 1;

/// All edges are looked at in so many steps.
const STEPS: usize = 32;
/// Of each so many at least.
const STEP_MIN: usize = 64;

/// Why requests are in no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Their edge has no series of its own.
    Overflow,
    /// Windows took as much as they may.
    Bytes,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Overflow, Self::Bytes];

    /// As the label `reason` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Bytes => "bytes",
        }
    }
}

/// See above.
#[derive(Debug, Default)]
pub struct Windows {
    limits: Settings,
    /// The newest cell of each edge, by its number.
    heads: Vec<u32>,
    edges: usize,
    cells: Cells,
    instances: Instances,
    /// Number of the newest window.
    now: u32,
    /// Which edge is looked at next.
    step: usize,
    others: u64,
    refused: [u64; Refused::ALL.len()],
}

fn number(time_us: u64) -> u32 {
    u32::try_from(time_us / WINDOW_US).unwrap_or(u32::MAX)
}

impl Windows {
    /// None yet.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Other limits from now on. What is there stays until it is too old.
    pub fn limit(&mut self, limits: Settings) {
        self.limits = limits;
    }

    /// Counts requests of an edge with one called instance. `now_us`: microseconds since the Unix epoch.
    pub fn add(&mut self, edge: Option<EdgeId>, instance: &str, tally: Tally, now_us: u64) {
        if tally.requests == 0 {
            return;
        }
        let Some(EdgeId(edge)) = edge else { return self.refuse(Refused::Overflow, tally) };
        if self.limits.bytes_max < size_of::<Cell>() {
            return self.refuse(Refused::Bytes, tally);
        }
        self.now = self.now.max(number(now_us));
        let instance = self.instances.number(instance);
        let found = self.find(self.head(edge), instance);
        let Some(place) = found.or_else(|| self.begin(edge, instance)) else {
            return self.refuse(Refused::Bytes, tally);
        };
        if let Some(cell) = self.cells.get_mut(place) {
            cell.add(tally);
            if cell.instance == OTHERS {
                self.others = self.others.saturating_add(tally.requests);
            }
        }
    }

    /// Lets go of edges that were idle for long: some at a time, all within 32 steps.
    pub fn expire(&mut self, now_us: u64) {
        self.now = self.now.max(number(now_us));
        let count = self.heads.len().div_ceil(STEPS).max(STEP_MIN).min(self.heads.len());
        for _ in 0..count {
            let edge = self.step;
            if self.cells.get(self.head_at(edge)).is_some_and(|cell| self.is_old(cell)) {
                self.forget(edge);
            }
            self.step += 1;
            if self.step >= self.heads.len() {
                self.step = 0;
                self.forget_instances();
            }
        }
    }

    /// Lets go of edges whose number stands for nothing any more.
    pub fn retain(&mut self, is_there: impl Fn(EdgeId) -> bool) {
        for edge in 0..self.heads.len() {
            let gone = u32::try_from(edge).is_ok_and(|number| !is_there(EdgeId(number)));
            if gone && self.head_at(edge) != NONE {
                self.forget(edge);
            }
        }
    }

    /// Begins to fetch what counting requests of an edge needs; first `false`, then `true`, each for many edges.
    #[inline]
    pub(crate) fn fetch(&self, EdgeId(edge): EdgeId, cell: bool) -> u64 {
        let head = self.head(edge);
        if cell { self.cells.get(head).map_or(0, |cell| cell.at.into()) } else { head.into() }
    }

    fn refuse(&mut self, why: Refused, tally: Tally) {
        if let Some(refused) = self.refused.get_mut(why as usize) {
            *refused = refused.saturating_add(tally.requests);
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

    /// The cell of the newest window and an instance.
    #[inline]
    fn find(&self, head: u32, instance: u32) -> Option<u32> {
        let newest = self.cells.list(head).take_while(|(_, cell)| cell.at == self.now);
        newest.into_iter().find(|(_, cell)| cell.instance == instance).map(|(place, _)| place)
    }

    /// A new cell of the newest window; `None` when there is no room.
    fn begin(&mut self, edge: u32, mut instance: u32) -> Option<u32> {
        if self.cells.get(self.head(edge)).is_some_and(|cell| cell.at < self.now) {
            self.age(edge as usize);
        }
        let head = self.head(edge);
        if instance == OTHERS || self.is_crowded(head, instance) {
            instance = OTHERS;
            if let Some(found) = self.find(head, OTHERS) {
                return Some(found);
            }
        }
        let max = self.limits.bytes_max / size_of::<Cell>();
        let place = self.cells.insert(Cell::new(self.now, instance, head), max)?;
        if self.heads.len() <= edge as usize {
            self.heads.resize(edge as usize + 1, NONE);
        }
        self.edges += usize::from(head == NONE);
        *self.heads.get_mut(edge as usize)? = place;
        Some(place)
    }

    /// Whether an edge has as many instances as it may, and this one is not among them.
    fn is_crowded(&self, head: u32, instance: u32) -> bool {
        let recent = self.cells.list(head).map(|(_, cell)| cell).take_while(|cell| self.is_recent(cell));
        let mut known: Vec<u32> =
            recent.map(|cell| cell.instance).filter(|known| *known != OTHERS && *known != ALL).collect();
        known.sort_unstable();
        known.dedup();
        known.len() >= self.limits.edge_instances_max && !known.contains(&instance)
    }

    /// Of an edge frees what is too old, and puts together what is too old to be told apart.
    fn age(&mut self, edge: usize) {
        let (mut place, mut last) = (self.head_at(edge), NONE);
        while let Some(cell) = self.cells.get(place).copied() {
            if self.is_old(&cell) {
                self.cells.free_list(place);
                match self.cells.get_mut(last) {
                    Some(last) => last.next = NONE,
                    None => self.clear(edge),
                }
                return;
            }
            if !self.is_recent(&cell) {
                if let Some(last) = self.cells.get_mut(last).filter(|last| last.at == cell.at) {
                    last.add(cell.tally());
                    last.next = cell.next;
                    place = self.cells.free(place);
                    continue;
                }
                if let Some(cell) = self.cells.get_mut(place) {
                    cell.instance = ALL;
                }
            }
            (last, place) = (place, cell.next);
        }
    }

    fn is_old(&self, cell: &Cell) -> bool {
        self.now.saturating_sub(cell.at) >= WINDOWS
    }

    fn is_recent(&self, cell: &Cell) -> bool {
        self.now.saturating_sub(cell.at) < INSTANCE_WINDOWS
    }

    fn forget(&mut self, edge: usize) {
        self.cells.free_list(self.head_at(edge));
        self.clear(edge);
    }

    /// Notes that an edge has no cells any more.
    fn clear(&mut self, edge: usize) {
        if let Some(head) = self.heads.get_mut(edge) {
            *head = NONE;
            self.edges = self.edges.saturating_sub(1);
        }
    }

    /// Lets go of addresses that no cell has, once there are many.
    fn forget_instances(&mut self) {
        let cells = self.heads.iter().flat_map(|head| self.cells.list(*head));
        self.instances.forget(cells.map(|(_, cell)| cell.instance));
    }
}

#[cfg(test)]
mod tests;
