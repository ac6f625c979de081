//! What of a report holds for many of its records: who is at both ends of an edge.
//!
//! In: the edges of a report, and what names them. Out: one [`Line`] per edge. Always holds: an edge is named only when a
//! request of it is told; that a proxy told something, and that it lost something, is noted for its end.

use super::books::{Entry, HopEdge};
use super::half::{EDGES_MAX, Half};
use super::loss::Losses;
use super::registry::Registry;
use super::stats::Unjoinable;
use super::{EndBook, EndName, Join, Side};
use crate::identity::{End, NamedEdge};
use crate::report::{Edge, Report, Reporter, Text};
use std::hash::{DefaultHasher, Hash, Hasher};

/// An edge that was sent one-sided hops so many times is taken for one at once, until its other side tells something.
const ONE_SIDED_MIN: u64 = 16;

/// An edge with both ends named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The edge.
    pub edge: NamedEdge,
    /// The proxy at the other side, where its address tells.
    pub peer: Option<Text>,
}

/// What holds for all records of one edge of a report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) side: Side,
    pub(super) unjoinable: Option<Unjoinable>,
    /// Number of the called end.
    pub(super) called: u32,
    /// Words of a [`Half`]: side and caller; edge and proxies.
    pub(super) edge_word: u64,
    pub(super) third_word: u64,
    /// Whether the other side is known never to tell.
    pub(super) one_sided: bool,
}

impl Join {
    /// One line per edge of the report; `None` where no record needs one.
    pub(super) fn lines(
        &mut self,
        report: &Report,
        mut name: impl FnMut(&Edge) -> Named,
        now_us: u64,
    ) -> Vec<Option<Line>> {
        let proxy = self.proxies.number(&report.teller.proxy, Losses::default);
        let lost = proxy.and_then(|it| self.proxies.get_mut(it)).is_some_and(|it| it.note(report, now_us));
        // Number 0 is nobody.
        let own = proxy.map_or(0, |number| number.saturating_add(1));
        let mut wanted = vec![false; report.edges.len()];
        let joinable = report.records.iter().filter(|record| record.request_id_hash != 0);
        let told = joinable.map(|record| record.edge).chain(report.folds.iter().map(|fold| fold.edge));
        for edge in told {
            if let Some(wanted) = wanted.get_mut(edge) {
                *wanted = true;
            }
        }
        let edges = report.edges.iter().zip(wanted);
        let lines = edges
            .map(|(edge, wanted)| wanted.then(|| self.line(edge.reporter, &name(edge), own, lost, now_us)));
        lines.collect()
    }

    fn line(&mut self, reporter: Reporter, named: &Named, own: u32, lost: bool, now_us: u64) -> Line {
        let side = if reporter == Reporter::Destination { Side::Destination } else { Side::Source };
        let (source, destination) = (&named.edge.source, &named.edge.destination);
        let caller = caller_of(source).map(|name| (number_of(&name), end(&mut self.callers, &name, now_us)));
        let called = called_of(destination).map(|name| end(&mut self.called, &name, now_us));
        let (ours, theirs) = match (side, caller, called) {
            (Side::Source, caller, called) => (caller.and_then(|(_, it)| it), called.flatten()),
            (Side::Destination, caller, called) => (called.flatten(), caller.and_then(|(_, it)| it)),
        };
        let (mine, others) = match side {
            Side::Source => (&mut self.callers, &self.called),
            Side::Destination => (&mut self.called, &self.callers),
        };
        if let Some(book) = ours.and_then(|number| mine.get_mut(number)) {
            book.told_us = now_us;
            if lost {
                book.lost_us = now_us;
            }
        }
        let silent = theirs.and_then(|number| others.get(number)).is_some_and(|it| it.told_us == 0);
        let ends = (caller.and_then(|(_, it)| it), called.flatten());
        let edge = self.edges.number(&HopEdge::of(&named.edge), || Entry::new(ends));
        let entry = edge.and_then(|edge| self.edges.get_mut(edge));
        let one_sided = entry.is_some_and(|entry| {
            entry.last_us = now_us;
            silent && entry.book.one_sided >= ONE_SIDED_MIN
        });
        let peer = named.peer.as_ref().and_then(|peer| self.proxies.find(peer));
        Line {
            side,
            unjoinable: unjoinable(reporter, called.is_some()),
            called: called.flatten().unwrap_or(u32::MAX),
            edge_word: Half::edge_word(side, caller.map_or(0, |(number, _)| number)),
            third_word: Half::third_word(
                edge.unwrap_or(u32::try_from(EDGES_MAX).unwrap_or(u32::MAX)),
                own,
                peer.map_or(0, |number| number.saturating_add(1)),
            ),
            one_sided,
        }
    }
}

fn unjoinable(reporter: Reporter, called_is_known: bool) -> Option<Unjoinable> {
    match reporter {
        Reporter::Waypoint => Some(Unjoinable::Waypoint),
        _ if !called_is_known => Some(Unjoinable::NoPeer),
        _ => None,
    }
}

fn end(ends: &mut Registry<EndName, EndBook>, name: &EndName, now_us: u64) -> Option<u32> {
    let number = ends.number(name, EndBook::default)?;
    if let Some(book) = ends.get_mut(number) {
        book.last_us = now_us;
    }
    Some(number)
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
