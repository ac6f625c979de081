//! Requests that have begun and not ended.
//!
//! In: begin and end of requests, and Envoy's attributes of long ones. Out: the number per
//! reporter, the age of the oldest, and the destinations of the long ones.
//! Invariant: [`RequestTable::count`] is the number of begins without an end. At most `TRACKED_MAX`
//! requests are stored with their age, and `RESOLVED_MAX` with their destination.
//!
//! A begin costs no host call: its time is that of the last clock read, which is at most a tick
//! old. Envoy's start time replaces it when the request is refreshed. Envoy numbers contexts in
//! ascending order, so that the entries are sorted and an end is found by binary search.

use super::byte_deltas::ByteDeltas;
use super::roots::Roots;
use crate::config::Config;
use crate::record::{Edge, Now, Reporter};
use std::collections::VecDeque;
use std::rc::Rc;

/// Requests that are stored with their age; requests beyond are only counted.
const TRACKED_MAX: usize = 65_536;
/// Requests that are stored with their destination.
const RESOLVED_MAX: usize = 1_024;
/// Requests that are refreshed on one tick.
const REFRESHES_MAX: usize = 64;
/// The interval between two refreshes of a request: it may be retried on another host, transfer
/// more bytes, or end without a callback.
const REFRESH_INTERVAL_US: u64 = 5_000_000;
/// Ended entries that the table tolerates regardless of its size.
const ENDED_MAX: usize = 64;

/// The in-flight requests.
#[derive(Debug, Default)]
pub struct RequestTable {
    /// In the order of begin. Ended entries stay until there are many.
    pub(super) entries: VecDeque<Entry>,
    ended: usize,
    /// Begins beyond `TRACKED_MAX`.
    untracked: u64,
    pub(super) roots: Roots,
    /// Requests with a known destination, in the order of their contexts.
    pub(super) resolved: Vec<(u32, Resolved)>,
    /// Bytes of the bodies of resolved requests since the last report.
    pub deltas: ByteDeltas,
    clock_us: u64,
    pub(super) reported_us: u64,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) start_us: u64,
    pub(super) context: u32,
    /// The root context; 0, which is never a root context, when the request has ended.
    pub(super) root: u32,
}

/// A request with a known destination.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) edge: Rc<Edge>,
    /// Bytes of the bodies of request and response so far.
    pub(super) bytes: (u64, u64),
    refreshed_us: u64,
    pub(super) is_reported: bool,
}

impl RequestTable {
    /// Adds a request of a root context.
    pub fn begin(&mut self, context: u32, root: u32) {
        // Context ids wrap around after 2^32; a request that is overtaken by so many is given up.
        while self.entries.back().is_some_and(|last| self.rank(context) <= self.rank(last.context)) {
            let Some(first) = self.entries.front().map(|first| first.context) else { break };
            self.remove(first);
        }
        if self.entries.len() >= TRACKED_MAX {
            self.untracked = self.untracked.saturating_add(1);
            return;
        }
        self.entries.push_back(Entry { start_us: self.clock_us, context, root });
        self.roots.begin(root);
    }

    /// Ends a request. Returns its root context; `None` when it was not tracked.
    pub fn end(&mut self, context: u32, now_us: u64) -> Option<u32> {
        self.set_clock(now_us);
        self.remove(context)
    }

    /// Ends a request that was not tracked.
    pub fn end_untracked(&mut self) {
        self.untracked = self.untracked.saturating_sub(1);
    }

    fn set_clock(&mut self, now_us: u64) {
        if self.clock_us == 0 {
            // Requests that began before the first clock read began about now.
            self.entries.iter_mut().for_each(|entry| entry.start_us = now_us);
        }
        self.clock_us = self.clock_us.max(now_us);
    }

    /// Returns the time of the last clock read, microseconds; 0 before the first one.
    #[must_use]
    pub fn clock_us(&self) -> u64 {
        self.clock_us
    }

    /// Removes a request. Returns its root context; `None` when it was not tracked.
    pub fn remove(&mut self, context: u32) -> Option<u32> {
        let root = match self.entries.front() {
            // Most often the oldest request ends. The first entry has never ended.
            Some(first) if first.context == context => self.entries.pop_front()?.root,
            _ => {
                let index = self.index(context);
                let entry = self.entries.get_mut(index).filter(|it| it.context == context && it.root != 0)?;
                self.ended = self.ended.saturating_add(1);
                std::mem::take(&mut entry.root)
            }
        };
        if let Ok(index) = self.resolved_index(context) {
            self.resolved.remove(index);
        }
        self.roots.end(root);
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

    /// Stores the reporter of a root context's request.
    pub fn set_reporter(&mut self, root: u32, reporter: Reporter) {
        self.roots.set_reporter(root, reporter);
    }

    /// Returns the number of in-flight requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        let tracked = self.entries.len().saturating_sub(self.ended);
        self.untracked.saturating_add(u64::try_from(tracked).unwrap_or(u64::MAX))
    }

    /// Returns the requests to refresh from Envoy now, the oldest first.
    pub fn due_for_refresh(&mut self, now_us: u64, config: &Config) -> Vec<u32> {
        self.set_clock(now_us);
        let capacity = RESOLVED_MAX.saturating_sub(self.resolved.len());
        let long = || self.older_than(now_us, config).map(|entry| entry.context);
        let is_stale =
            |request: &Resolved| now_us.saturating_sub(request.refreshed_us) >= REFRESH_INTERVAL_US;
        let unresolved = long().filter(|context| !self.is_resolved(*context)).take(capacity);
        let stale = long().filter(|context| self.resolved(*context).is_some_and(is_stale));
        unresolved.chain(stale).take(REFRESHES_MAX).collect()
    }

    /// Stores the refreshed edge, start time by the wall clock and body bytes (request, response) of
    /// a request.
    pub fn refresh(
        &mut self,
        context: u32,
        edge: Edge,
        start_us: Option<u64>,
        bytes_so_far: (u64, u64),
        now: Now,
    ) {
        let now_us = now.steady_us;
        let index = self.index(context);
        let Some(entry) = self.entries.get_mut(index).filter(|entry| entry.context == context) else {
            return;
        };
        if let Some(start_us) = start_us {
            entry.start_us = now_us.saturating_sub(now.age_us(start_us, entry.start_us));
        }
        let root = entry.root;
        self.set_reporter(root, edge.reporter);
        let known = self.resolved.iter().map(|(_, request)| request).find(|request| *request.edge == edge);
        let edge = known.map_or_else(|| Rc::new(edge), |request| Rc::clone(&request.edge));
        match self.resolved_index(context) {
            Ok(index) => {
                if let Some((_, request)) = self.resolved.get_mut(index) {
                    (request.edge, request.refreshed_us) = (edge, now_us);
                }
            }
            Err(index) => {
                let request = Resolved { edge, bytes: (0, 0), refreshed_us: now_us, is_reported: false };
                self.resolved.insert(index, (context, request));
            }
        }
        self.update_bytes(context, bytes_so_far);
    }

    /// Stores the body bytes (request, response) of a resolved request.
    pub fn update_bytes(&mut self, context: u32, bytes_so_far: (u64, u64)) {
        let index = self.resolved_index(context).ok();
        let Some((_, request)) = index.and_then(|index| self.resolved.get_mut(index)) else { return };
        let (before, is_first) = (request.bytes, u64::from(request.bytes == (0, 0)));
        let new = (bytes_so_far.0.saturating_sub(before.0), bytes_so_far.1.saturating_sub(before.1));
        // A delta that the table rejects is added by the next update.
        if new != (0, 0) && self.deltas.add(&request.edge, is_first, new).is_some() {
            request.bytes = bytes_so_far;
        }
    }

    /// Returns whether the destination of a request is known.
    #[must_use]
    pub fn is_resolved(&self, context: u32) -> bool {
        self.resolved_index(context).is_ok()
    }

    pub(super) fn resolved(&self, context: u32) -> Option<&Resolved> {
        self.resolved.get(self.resolved_index(context).ok()?).map(|(_, request)| request)
    }

    pub(super) fn resolved_index(&self, context: u32) -> Result<usize, usize> {
        self.resolved.binary_search_by_key(&context, |(context, _)| *context)
    }

    /// Returns the in-flight requests over the age threshold, the oldest first.
    pub(super) fn older_than<'a>(
        &'a self,
        now_us: u64,
        config: &Config,
    ) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let until_us = now_us.saturating_sub(config.open_age_ms.saturating_mul(1_000));
        let old = self.entries.iter().take_while(move |entry| entry.start_us <= until_us);
        old.filter(|entry| entry.root != 0)
    }

    /// Returns the index of a context's entry, or the index at which it would be inserted.
    fn index(&self, context: u32) -> usize {
        let rank = self.rank(context);
        if rank == 0 { 0 } else { self.entries.partition_point(|entry| self.rank(entry.context) < rank) }
    }

    /// Returns the rank of a context in the order of begin, across the wrap-around of ids.
    fn rank(&self, context: u32) -> u32 {
        self.entries.front().map_or(0, |first| context.wrapping_sub(first.context))
    }
}

#[cfg(test)]
mod tests;
