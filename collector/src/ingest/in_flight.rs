//! How many calls are open.
//!
//! In: calls that begin, and the limit of the moment. Out: a [`Place`], or none. Always holds: a place that is dropped is
//! free again; at most so many are taken as the limit was when the last one was.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The places; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight {
    taken: Arc<AtomicUsize>,
}

/// One taken place.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<AtomicUsize>,
}

impl InFlight {
    /// Takes a place, if fewer than `max` are taken. A semaphore would have to be told of each change of the limit.
    pub(super) fn enter(&self, max: usize) -> Option<Place> {
        let more = |taken: usize| (taken < max).then_some(taken + 1);
        // The order in which others see the count does not matter, only that none is lost.
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place { taken: self.taken.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::InFlight;

    /// Takes as many places as there are under `before`, gives one back, and counts how many more there are under `after`.
    #[track_caller]
    fn check(before: usize, after: usize, expected: usize) {
        let doors = InFlight::default();
        let mut places: Vec<_> = (0..before + 1).map_while(|_| doors.enter(before)).collect();
        assert_eq!(places.len(), before);
        drop(places.pop());
        let more: Vec<_> = (0..after + 1).map_while(|_| doors.enter(after)).collect();
        assert_eq!(more.len(), expected, "{before} then {after}");
    }

    #[test]
    fn a_place_is_free_again_and_the_limit_may_change() {
        check(3, 3, 1);
        check(3, 5, 3);
        check(3, 1, 0);
        check(0, 2, 2);
    }
}
