//! Requests that have begun and not ended.
//!
//! In: beginnings and ends, and what Envoy says when it is asked about one that is open for long. Out: per reporter how many,
//! how old the oldest is, and whereto those are that do not end. Always holds: [`RequestTable::count`] is the number of
//! beginnings without an end; at most `OPEN_MAX` requests are kept with their age and `NAMED_MAX` with their destination.
//!
//! A beginning costs no host call: it is dated by the clock as it was last read, which is off by a tick at most, and Envoy's
//! own date replaces that when the request is looked at. Envoy numbers contexts upwards, so that the order of beginnings is
//! that of the numbers and an end is found by bisection.

use crate::config::Config;
use crate::in_flight::byte_deltas::ByteDeltas;
use crate::record::{Edge, Reporter};
use std::collections::VecDeque;
use std::rc::Rc;

mod report;

pub use report::{InFlightSummary, LongRequests};

/// Requests that are kept with their age; those beyond are only counted.
const OPEN_MAX: usize = 65_536;
/// Requests that are kept with their destination.
const NAMED_MAX: usize = 1_024;
/// Requests that Envoy is asked about on one tick.
const REFRESHES_MAX: usize = 64;
/// Plugins that are remembered while they have nothing open.
const ROOTS_MAX: usize = 32;
/// A request is looked at again after so long: it may be tried elsewhere, have moved more bytes, or have ended without a
/// word.
const REFRESH_INTERVAL_US: u64 = 5_000_000;
/// Ended entries that may lie among the open ones in any case.
const ENDED_MAX: usize = 64;

/// The table.
#[derive(Debug, Default)]
pub struct RequestTable {
    /// In the order of their beginnings; ended ones stay until there are many.
    entries: VecDeque<Entry>,
    ended: usize,
    /// Beginnings that found no room.
    untracked: u64,
    roots: Vec<Root>,
    /// In the order of their numbers.
    named: Vec<(u32, Named)>,
    /// What is new of the bodies of those that are named.
    pub deltas: ByteDeltas,
    clock_us: u64,
    reported_us: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    start_us: u64,
    context: u32,
    /// 0 when it has ended; no plugin has this number.
    root: u32,
}

#[derive(Debug)]
struct Root {
    root: u32,
    open: u64,
    /// That of its requests, as far as is known.
    reporter: Reporter,
    /// Its requests come in on both sides: since 1.33 Envoy runs one plugin for all listeners that configure it alike.
    is_mixed: bool,
}

#[derive(Debug)]
struct Named {
    edge: Rc<Edge>,
    /// Bytes of the request's and of the response's body.
    moved: (u64, u64),
    refreshed_us: u64,
    told: bool,
}

impl RequestTable {
    /// A request of a plugin begins.
    pub fn begin(&mut self, context: u32, root: u32) {
        // Numbers begin anew after four thousand millions; a request that so many overtook is given up.
        while self.entries.back().is_some_and(|last| self.rank(context) <= self.rank(last.context)) {
            let Some(first) = self.entries.front().map(|first| first.context) else { break };
            self.forget(first);
        }
        if self.entries.len() >= OPEN_MAX {
            self.untracked = self.untracked.saturating_add(1);
            return;
        }
        self.entries.push_back(Entry { start_us: self.clock_us, context, root });
        match self.roots.iter_mut().find(|known| known.root == root) {
            Some(known) => known.open = known.open.saturating_add(1),
            None => {
                if self.roots.len() >= ROOTS_MAX {
                    self.roots.retain(|known| known.open > 0);
                }
                self.roots.push(Root { root, open: 1, reporter: Reporter::Unspecified, is_mixed: false });
            }
        }
    }

    /// A request ends. Returns its plugin; `None` when it was not kept.
    pub fn end(&mut self, context: u32, now_us: u64) -> Option<u32> {
        self.clock_us = self.clock_us.max(now_us);
        self.forget(context)
    }

    /// One that was not kept ended.
    pub fn end_untracked(&mut self) {
        self.untracked = self.untracked.saturating_sub(1);
    }

    /// The clock as it was last read, microseconds since the Unix epoch; 0 before that.
    #[must_use]
    pub fn clock_us(&self) -> u64 {
        self.clock_us
    }

    /// A request is open no more. Returns its plugin.
    pub fn forget(&mut self, context: u32) -> Option<u32> {
        let root = match self.entries.front() {
            // What ends is most often the oldest, and that has not ended.
            Some(first) if first.context == context => self.entries.pop_front()?.root,
            _ => {
                let place = self.place(context);
                let entry = self.entries.get_mut(place).filter(|it| it.context == context && it.root != 0)?;
                self.ended = self.ended.saturating_add(1);
                std::mem::take(&mut entry.root)
            }
        };
        if let Ok(place) = self.place_of_name(context) {
            self.named.remove(place);
        }
        if let Some(known) = self.roots.iter_mut().find(|known| known.root == root) {
            known.open = known.open.saturating_sub(1);
        }
        while self.ended > 0 && self.entries.front().is_some_and(|first| first.root == 0) {
            self.entries.pop_front();
            self.ended = self.ended.saturating_sub(1);
        }
        if self.ended > ENDED_MAX && self.ended > self.entries.len() / 2 {
            self.entries.retain(|entry| entry.root != 0);
            self.ended = 0;
        }
        Some(root)
    }

    /// What side of calls a plugin is on.
    pub fn learn(&mut self, root: u32, reporter: Reporter) {
        if let Some(known) = self.roots.iter_mut().find(|known| known.root == root) {
            known.is_mixed |= known.reporter != Reporter::Unspecified && known.reporter != reporter;
            known.reporter = reporter;
        }
    }

    /// How many requests are open.
    #[must_use]
    pub fn count(&self) -> u64 {
        let kept = self.entries.len().saturating_sub(self.ended);
        self.untracked.saturating_add(u64::try_from(kept).unwrap_or(u64::MAX))
    }

    /// The requests that Envoy is to be asked about now, the oldest first.
    pub fn due_for_refresh(&mut self, now_us: u64, config: &Config) -> Vec<u32> {
        if self.clock_us == 0 {
            // What began before the clock was ever read began about now.
            self.entries.iter_mut().for_each(|entry| entry.start_us = now_us);
        }
        self.clock_us = self.clock_us.max(now_us);
        let room = NAMED_MAX.saturating_sub(self.named.len());
        let old = || self.older_than(now_us, config).map(|entry| entry.context);
        let is_old_news = |named: &Named| now_us.saturating_sub(named.refreshed_us) >= REFRESH_INTERVAL_US;
        let unnamed = old().filter(|context| self.place_of_name(*context).is_err()).take(room);
        let again = old().filter(|context| self.named(*context).is_some_and(is_old_news));
        unnamed.chain(again).take(REFRESHES_MAX).collect()
    }

    /// Envoy said of an open request where it goes to, when it began, and how many bytes each way its bodies have brought.
    pub fn name(&mut self, context: u32, edge: Edge, start_us: Option<u64>, moved: (u64, u64), now_us: u64) {
        let place = self.place(context);
        let Some(entry) = self.entries.get_mut(place).filter(|entry| entry.context == context) else {
            return;
        };
        entry.start_us = start_us.unwrap_or(entry.start_us);
        let root = entry.root;
        self.learn(root, edge.reporter);
        let known = self.named.iter().map(|(_, named)| named).find(|named| *named.edge == edge);
        let edge = known.map_or_else(|| Rc::new(edge), |named| Rc::clone(&named.edge));
        match self.place_of_name(context) {
            Ok(place) => {
                if let Some((_, named)) = self.named.get_mut(place) {
                    (named.edge, named.refreshed_us) = (edge, now_us);
                }
            }
            Err(place) => {
                let named = Named { edge, moved: (0, 0), refreshed_us: now_us, told: false };
                self.named.insert(place, (context, named));
            }
        }
        self.moved(context, moved);
    }

    /// Envoy said how many bytes each way the bodies of a request that is named have brought.
    pub fn moved(&mut self, context: u32, moved: (u64, u64)) {
        let place = self.place_of_name(context).ok();
        let Some((_, named)) = place.and_then(|place| self.named.get_mut(place)) else { return };
        let new = (moved.0.saturating_sub(named.moved.0), moved.1.saturating_sub(named.moved.1));
        // What finds no room is told the next time.
        if new != (0, 0) && self.deltas.add(&named.edge, u64::from(named.moved == (0, 0)), new).is_some() {
            named.moved = moved;
        }
    }

    /// Whether it was named, because it was open for long.
    #[must_use]
    pub fn is_named(&self, context: u32) -> bool {
        self.place_of_name(context).is_ok()
    }

    fn named(&self, context: u32) -> Option<&Named> {
        self.named.get(self.place_of_name(context).ok()?).map(|(_, named)| named)
    }

    fn place_of_name(&self, context: u32) -> Result<usize, usize> {
        self.named.binary_search_by_key(&context, |(context, _)| *context)
    }

    /// Where the entry of a context is, or would be.
    fn place(&self, context: u32) -> usize {
        let rank = self.rank(context);
        if rank == 0 { 0 } else { self.entries.partition_point(|entry| self.rank(entry.context) < rank) }
    }

    /// The place of a context in the order of beginnings.
    fn rank(&self, context: u32) -> u32 {
        self.entries.front().map_or(0, |first| context.wrapping_sub(first.context))
    }
}

#[cfg(test)]
mod tests;
