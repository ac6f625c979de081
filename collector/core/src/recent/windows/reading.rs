//! What is read of the windows: the latest against what was before, one instance against the rest.
//!
//! In: an edge, and the time. Out: tallies. Always holds: nothing changes by it; what is too old by now is not seen, whether it
//! is still there or not.

use super::cells::{Cell, NONE};
use super::{INSTANCE_WINDOWS, Refused, Tally, WINDOW_US, WINDOWS, Windows, number};
use crate::identity::EdgeId;
use std::collections::BTreeMap;

/// A called instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instance<'a> {
    /// By its address; empty where none was told or reached.
    At(&'a str),
    /// Those that found no room.
    Others,
}

/// What was counted in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it began, microseconds since the Unix epoch.
    pub start_us: u64,
    /// What its requests amount to.
    pub tally: Tally,
}

/// One instance beside the rest of its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share<'a> {
    /// Which.
    pub instance: Instance<'a>,
    /// Its requests.
    pub own: Tally,
    /// Those of all others.
    pub rest: Tally,
}

impl Windows {
    /// Edges that have windows.
    pub fn edges(&self) -> impl Iterator<Item = EdgeId> {
        let kept = self.heads.iter().enumerate().filter(|(_, head)| **head != NONE);
        kept.filter_map(|(edge, _)| Some(EdgeId(u32::try_from(edge).ok()?)))
    }

    /// The windows of an edge, the newest last; one without requests is not among them.
    #[must_use]
    pub fn of(&self, edge: EdgeId, now_us: u64) -> Vec<Window> {
        let mut windows: BTreeMap<u32, Tally> = BTreeMap::new();
        for cell in self.within(edge, WINDOWS, now_us) {
            windows.entry(cell.at).or_default().add(cell.tally());
        }
        let start_us = |at: u32| u64::from(at).saturating_mul(WINDOW_US);
        windows.into_iter().map(|(at, tally)| Window { start_us: start_us(at), tally }).collect()
    }

    /// The last `last` windows of an edge, that of now included, and all that is kept of before.
    #[must_use]
    pub fn against_before(&self, edge: EdgeId, last: u32, now_us: u64) -> (Tally, Tally) {
        let (mut of_late, mut before) = (Tally::default(), Tally::default());
        let now = self.now.max(number(now_us));
        for cell in self.within(edge, WINDOWS, now_us) {
            let side = if now.saturating_sub(cell.at) < last { &mut of_late } else { &mut before };
            side.add(cell.tally());
        }
        (of_late, before)
    }

    /// Each instance of an edge beside the rest, in the last [`INSTANCE_WINDOWS`].
    #[must_use]
    pub fn instances(&self, edge: EdgeId, now_us: u64) -> Vec<Share<'_>> {
        let mut tallies: BTreeMap<Instance<'_>, Tally> = BTreeMap::new();
        for cell in self.within(edge, INSTANCE_WINDOWS, now_us) {
            let address = self.instances.address(cell.instance);
            let instance = address.map_or(Instance::Others, Instance::At);
            tallies.entry(instance).or_default().add(cell.tally());
        }
        let mut shares = Vec::with_capacity(tallies.len());
        for (instance, own) in &tallies {
            let mut rest = Tally::default();
            let others = tallies.iter().filter(|(other, _)| *other != instance);
            others.for_each(|(_, tally)| rest.add(*tally));
            shares.push(Share { instance: *instance, own: *own, rest });
        }
        shares
    }

    /// Edges and instances that are kept, and what both take.
    #[must_use]
    pub fn kept(&self) -> (usize, usize, usize) {
        let bytes = self.cells.bytes() + self.heads.capacity() * size_of::<u32>() + self.instances.bytes();
        (self.edges, self.instances.len(), bytes)
    }

    /// Requests that are in no window.
    #[must_use]
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused.get(why as usize).copied().unwrap_or(0)
    }

    /// Requests whose instance found no room of its own.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }

    /// The cells of the last `count` windows of an edge.
    fn within(&self, edge: EdgeId, count: u32, now_us: u64) -> impl Iterator<Item = &Cell> {
        let now = self.now.max(number(now_us));
        let cells = self.cells.list(self.head(edge.0)).map(|(_, cell)| cell);
        cells.take_while(move |cell| now.saturating_sub(cell.at) < count)
    }
}
