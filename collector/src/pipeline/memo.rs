//! Edges that are known already: most batches tell of the same ones again and again.
//!
//! In: what stands for an edge as its proxy told it. Out: its numbers in the other rooms. Always holds: what is known is used
//! only as long as nothing changed by which it would be named, counted or joined in another way; at most `max` edges are
//! known, and when there is one more all are forgotten and learnt anew, which is counted.

use crate::aggregate::EdgeNumber;
use crate::join;
use crate::report::Print;
use hashbrown::HashTable;

/// What is known of an edge as one proxy told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// When this was learnt.
    pub(super) generation: u64,
    /// Its number among the series; `None` when there was no room.
    pub(super) counted: Option<EdgeNumber>,
    /// Its numbers among the hops; `None` when nothing is joined.
    pub(super) joined: Option<join::Known>,
    /// Whether it is to wait for a better name.
    pub(super) waits: bool,
    /// Whether its other end is a proxy that is known.
    pub(super) has_peer: bool,
    /// When that was met last.
    pub(super) met_us: u64,
}

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// Places in `known`.
    slots: HashTable<u32>,
    known: Vec<(Print, Known)>,
    max: usize,
    forgotten: u64,
}

impl Memo {
    pub(super) fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// Another bound from now on.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// What is known of an edge, be it of today or not.
    #[inline]
    pub(super) fn get(&self, print: Print) -> Option<&Known> {
        let place = self.place(print)?;
        self.known.get(place).map(|(_, known)| known)
    }

    /// Learns an edge.
    pub(super) fn put(&mut self, print: Print, known: Known) {
        if let Some((_, place)) = self.place(print).and_then(|place| self.known.get_mut(place)) {
            *place = known;
            return;
        }
        if self.known.len() >= self.max {
            self.forgotten = self.forgotten.saturating_add(self.known.len() as u64);
            self.slots.clear();
            self.known.clear();
        }
        let Ok(place) = u32::try_from(self.known.len()) else { return };
        self.known.push((print, known));
        let Self { slots, known, .. } = self;
        let hash = |place: &u32| known.get(*place as usize).map_or(0, |(print, _)| print.0);
        slots.insert_unique(print.0, place, hash);
    }

    #[inline]
    fn place(&self, print: Print) -> Option<usize> {
        let is_it = |place: &u32| self.known.get(*place as usize).is_some_and(|(known, _)| *known == print);
        self.slots.find(print.0, is_it).map(|place| *place as usize)
    }

    /// Edges that are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Edges that were forgotten since there were too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Memo};
    use crate::report::Print;

    fn known(generation: u64) -> Known {
        Known { generation, counted: None, joined: None, waits: false, has_peer: false, met_us: 0 }
    }

    #[test]
    fn it_knows_what_it_was_told_last_and_no_more_than_its_bound() {
        let mut memo = Memo::new(2);
        let generation = |memo: &Memo, print| memo.get(print).map(|known| known.generation);
        // Half a print in common is not enough.
        let [a, b, c] = [Print(1, 1), Print(1, 2), Print(2, 1)];
        memo.put(a, known(1));
        memo.put(b, known(2));
        memo.put(a, known(3));
        assert_eq!([a, b, c].map(|print| generation(&memo, print)), [Some(3), Some(2), None]);
        memo.put(c, known(4));
        assert_eq!([a, b, c].map(|print| generation(&memo, print)), [None, None, Some(4)]);
        assert_eq!((memo.len(), memo.forgotten()), (1, 2));
    }
}
