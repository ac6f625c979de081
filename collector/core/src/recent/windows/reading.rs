//! Reads of the windows: the latest windows and earlier ones, one instance and the rest.
//!
//! Invariant: a read changes no state, and skips expired cells that are still stored.

use super::cells::{NONE, WindowCell};
use super::{INSTANCE_WINDOWS, Refused, WINDOW_US, WINDOWS, WindowStats, Windows, window_number};
use crate::identity::EdgeId;
use std::collections::BTreeMap;

/// A called instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instance<'a> {
    /// Address of the instance; empty if none was reported or reached.
    At(&'a str),
    /// Instances above the limit.
    Others,
}

/// Statistics of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Start in microseconds since the Unix epoch.
    pub start_us: u64,
    /// Statistics of the requests.
    pub stats: WindowStats,
}

/// One instance and the rest of its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceShare<'a> {
    /// The instance.
    pub instance: Instance<'a>,
    /// Statistics of the instance.
    pub own: WindowStats,
    /// Statistics of all other instances.
    pub rest: WindowStats,
}

impl Windows {
    /// Edges with windows.
    pub fn edges(&self) -> impl Iterator<Item = EdgeId> {
        let occupied = self.heads.iter().enumerate().filter(|(_, head)| **head != NONE);
        occupied.filter_map(|(edge, _)| Some(EdgeId(u32::try_from(edge).ok()?)))
    }

    /// Returns the first edge with windows whose number is `from` or higher, found within `count`
    /// numbers, with that number; and the number to continue at, `None` at the end.
    #[must_use]
    pub fn next_edge(&self, from: usize, count: usize) -> (Option<(usize, EdgeId)>, Option<usize>) {
        let to = from.saturating_add(count).min(self.heads.len());
        let number = (from..to).find(|number| self.head_at(*number) != NONE);
        let found = number.and_then(|number| Some((number, EdgeId(u32::try_from(number).ok()?))));
        let next = number.map_or(to, |number| number + 1);
        (found, (next < self.heads.len()).then_some(next))
    }

    /// Returns the windows of an edge, the newest last. Windows without requests are left out.
    #[must_use]
    pub fn of(&self, edge: EdgeId, now_us: u64) -> Vec<Window> {
        let mut windows: BTreeMap<u32, WindowStats> = BTreeMap::new();
        for cell in self.within(edge, WINDOWS, now_us) {
            windows.entry(cell.at).or_default().add(cell.stats());
        }
        let start_us = |at: u32| u64::from(at).saturating_mul(WINDOW_US);
        windows.into_iter().map(|(at, stats)| Window { start_us: start_us(at), stats }).collect()
    }

    /// Returns the statistics of the last `last` windows of an edge, the current one included, and
    /// of all earlier windows.
    #[must_use]
    pub fn latest_and_before(&self, edge: EdgeId, last: u32, now_us: u64) -> (WindowStats, WindowStats) {
        let (mut latest, mut before) = (WindowStats::default(), WindowStats::default());
        let now = self.newest.max(window_number(now_us));
        for cell in self.within(edge, WINDOWS, now_us) {
            let side = if now.saturating_sub(cell.at) < last { &mut latest } else { &mut before };
            side.add(cell.stats());
        }
        (latest, before)
    }

    /// Returns each instance of an edge and its rest, over the last [`INSTANCE_WINDOWS`].
    #[must_use]
    pub fn instances(&self, edge: EdgeId, now_us: u64) -> Vec<InstanceShare<'_>> {
        let mut by_instance: BTreeMap<Instance<'_>, WindowStats> = BTreeMap::new();
        for cell in self.within(edge, INSTANCE_WINDOWS, now_us) {
            let address = self.instances.address(cell.instance);
            let instance = address.map_or(Instance::Others, Instance::At);
            by_instance.entry(instance).or_default().add(cell.stats());
        }
        let mut shares = Vec::with_capacity(by_instance.len());
        for (instance, own) in &by_instance {
            let mut rest = WindowStats::default();
            let others = by_instance.iter().filter(|(other, _)| *other != instance);
            others.for_each(|(_, stats)| rest.add(*stats));
            shares.push(InstanceShare { instance: *instance, own: *own, rest });
        }
        shares
    }

    /// Returns the number of edges, the number of instances, and the memory of both in bytes.
    #[must_use]
    pub fn usage(&self) -> (usize, usize, usize) {
        let bytes = self.cells.bytes() + self.heads.capacity() * size_of::<u32>() + self.instances.bytes();
        (self.edges, self.instances.len(), bytes)
    }

    /// Number of requests that are in no window.
    #[must_use]
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused.get(why as usize).copied().unwrap_or(0)
    }

    /// Number of requests of instances above the limit.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Returns the cells of the last `count` windows of an edge.
    fn within(&self, edge: EdgeId, count: u32, now_us: u64) -> impl Iterator<Item = &WindowCell> {
        let now = self.newest.max(window_number(now_us));
        let cells = self.cells.list(self.head(edge.0)).map(|(_, cell)| cell);
        cells.take_while(move |cell| now.saturating_sub(cell.at) < count)
    }
}
