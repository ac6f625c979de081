//! What of a batch holds for many of its records: who is at both ends of an edge.
//!
//! In: named edges, and who tells. Out: what is [`Known`] of an edge, for as long as numbers hold, and one [`Line`] for each
//! batch that tells of it. Always holds: an edge is named only when a request of it is told; that a proxy told something,
//! and that it lost something, is noted for its end.

use super::edge_stats::{Entry, NONE};
use super::packed_record::{EDGES_MAX, Half};
use super::stats::Unjoinable;
use super::telemetry_loss::Losses;
use super::{EndBook, EndName, Join, Side};
use crate::batch::{Batch, Reporter, Text};
use crate::identity::{End, ResolvedEdge};
use crate::interner::Registry;
use std::hash::{DefaultHasher, Hash, Hasher};

/// An edge that was sent one-sided hops so many times is taken for one at once, until its other side tells something.
const ONE_SIDED_MIN: u32 = 16;

/// An edge with both ends named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The edge.
    pub edge: ResolvedEdge,
    /// The proxy at the other side, where its address tells.
    pub peer: Option<Text>,
}

/// The numbers of an edge. They hold until [`Join::generation`] changes.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    side: Side,
    unjoinable: Option<Unjoinable>,
    /// Tells the callers of one request apart; 0 when it has no name.
    caller_tag: u16,
    ends: Ends,
    /// One more than that of the proxy at the other side; 0 when it is not known.
    peer: u32,
}

/// The number of an edge, which knows its ends; where there was no room for it, that of the called end, by which its hops are
/// joined all the same. In four bytes, since there is one for each edge and proxy that tells of it.
#[derive(Debug, Clone, Copy)]
struct Ends(u32);

impl Ends {
    /// Edges and ends have lower numbers.
    const ROOMLESS: u32 = 1 << 31;

    fn new(edge: Option<u32>, called: u32) -> Self {
        Self(edge.unwrap_or(called | Self::ROOMLESS))
    }

    #[inline]
    fn edge(self) -> Option<u32> {
        (self.0 < Self::ROOMLESS).then_some(self.0)
    }

    /// The called end of an edge without room.
    fn called(self) -> Option<u32> {
        (Self::ROOMLESS..NONE).contains(&self.0).then_some(self.0 ^ Self::ROOMLESS)
    }
}

/// Who tells a batch.
#[derive(Debug, Clone, Copy)]
pub struct Tells {
    /// One more than the number of the proxy; 0 when it has none.
    own: u32,
    /// Whether the batch tells of a loss.
    lost: bool,
}

/// What holds for all records of one edge of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub(super) side: Side,
    pub(super) unjoinable: Option<Unjoinable>,
    /// Number of the called end.
    pub(super) called: u32,
    /// Words of a [`Half`]: side and caller; edge and proxies.
    pub(super) edge_word: u64,
    pub(super) third_word: u64,
    /// Whether the other side is known never to tell.
    pub(super) peer_not_instrumented: bool,
}

impl Join {
    /// Grows whenever numbers may stand for something else, or for something that had none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Notes that a proxy tells, and what it lost.
    pub fn tells(&mut self, batch: &Batch, now_us: u64) -> Tells {
        let known = self.proxies.len();
        let proxy = self.proxies.number(&batch.epoch_id.proxy, Losses::default);
        if self.proxies.len() > known {
            self.generation += 1;
        }
        let lost = proxy.and_then(|it| self.proxies.get_mut(it)).is_some_and(|it| it.note(batch, now_us));
        // Number 0 is nobody.
        Tells { own: proxy.map_or(0, |number| number.saturating_add(1)), lost }
    }

    /// The numbers of an edge. `peer`: the proxy at the other side, where its address tells.
    pub fn know(&mut self, edge: &ResolvedEdge, peer: Option<&Text>) -> Known {
        let ResolvedEdge { reporter, source, destination, .. } = edge;
        let side = if *reporter == Reporter::Destination { Side::Destination } else { Side::Source };
        let (caller_name, called_name) = (caller_of(source), called_of(destination));
        let caller = caller_name.as_ref().and_then(|name| self.callers.number(name, EndBook::default));
        let called = called_name.as_ref().and_then(|name| self.called.number(name, EndBook::default));
        let (caller, called) = (caller.unwrap_or(NONE), called.unwrap_or(NONE));
        let key = self.shared.key(edge);
        let edge = key.and_then(|key| self.edges.number(&key, Entry::default));
        if let Some(entry) = edge.and_then(|edge| self.edges.get_mut(edge)) {
            (entry.caller, entry.called) = (caller, called);
        }
        let peer = peer.and_then(|peer| self.proxies.find(peer));
        Known {
            side,
            unjoinable: unjoinable(*reporter, called_name.is_some()),
            caller_tag: caller_name.as_ref().map_or(0, number_of),
            ends: Ends::new(edge, called),
            peer: peer.map_or(0, |number| number.saturating_add(1)),
        }
    }

    /// Begins to fetch what joining requests of an edge needs: the edge, or then its counters. What comes back depends on it.
    #[inline]
    pub(crate) fn fetch(&self, known: &Known, counters: bool) -> u64 {
        let Some(entry) = known.ends.edge().and_then(|edge| self.edges.get(edge)) else { return 0 };
        // Of each of its two lines something.
        if counters { entry.book.touch().into() } else { entry.last_us ^ u64::from(entry.called) }
    }

    /// What holds for the records of an edge in a batch.
    pub fn line(&mut self, known: &Known, tells: Tells, now_us: u64) -> Line {
        let Known { side, unjoinable, caller_tag, ends, peer } = *known;
        let some = |number: u32| (number != NONE).then_some(number);
        let edge = ends.edge();
        if edge.is_none() {
            self.overflow.book.begin(now_us);
        }
        let entry = edge.and_then(|edge| self.edges.get(edge));
        let (caller, called) =
            entry.map_or((None, ends.called()), |entry| (some(entry.caller), some(entry.called)));
        touch(&mut self.callers, caller, now_us);
        touch(&mut self.called, called, now_us);
        let (mine, ours, others, theirs) = match side {
            Side::Source => (&mut self.callers, caller, &self.called, called),
            Side::Destination => (&mut self.called, called, &self.callers, caller),
        };
        if let Some(book) = ours.and_then(|number| mine.get_mut(number)) {
            book.told_us = now_us;
            if tells.lost {
                book.lost_us = now_us;
            }
        }
        let silent = theirs.and_then(|number| others.get(number)).is_some_and(|it| it.told_us == 0);
        let peer_not_instrumented = edge.and_then(|edge| self.edges.get_mut(edge)).is_some_and(|entry| {
            entry.last_us = now_us;
            entry.book.begin(now_us);
            silent && entry.book.peer_not_instrumented >= ONE_SIDED_MIN
        });
        Line {
            side,
            unjoinable,
            called: called.unwrap_or(u32::MAX),
            edge_word: Half::edge_word(side, caller_tag),
            third_word: Half::third_word(
                edge.unwrap_or(u32::try_from(EDGES_MAX).unwrap_or(u32::MAX)),
                tells.own,
                peer,
            ),
            peer_not_instrumented,
        }
    }
}

fn touch(ends: &mut Registry<EndName, EndBook>, number: Option<u32>, now_us: u64) {
    if let Some(book) = number.and_then(|number| ends.get_mut(number)) {
        book.last_us = now_us;
    }
}

fn unjoinable(reporter: Reporter, called_is_known: bool) -> Option<Unjoinable> {
    match reporter {
        Reporter::Waypoint => Some(Unjoinable::Waypoint),
        _ if !called_is_known => Some(Unjoinable::NoPeer),
        _ => None,
    }
}

fn is_known(text: &str) -> bool {
    !text.is_empty() && text != "unknown"
}

/// A caller by its workload; nobody when it is not known.
fn caller_of(end: &End) -> Option<EndName> {
    is_known(&end.workload).then(|| (end.workload.clone(), end.namespace.clone()))
}

/// A called end by its canonical service, which all versions of it share; by what else there is where it has none.
fn called_of(end: &End) -> Option<EndName> {
    let names = [&end.canonical_service, &end.app, &end.workload];
    let name = names.into_iter().find(|name| is_known(name))?;
    Some((name.clone(), end.namespace.clone()))
}

/// A number that stands for a name, never 0. Two names may share one; it only tells the callers of one request apart.
fn number_of(name: &EndName) -> u16 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    u16::try_from(hasher.finish() >> 48).unwrap_or(0).max(1)
}
