//! One request of each series that is worth a look.
//!
//! In: requests with a request id: of each batch the slowest, and the last that failed of each edge and outcome. Out: for a
//! series the last one that failed, or the slowest of about the last minute. Always holds: at most one per series; it goes
//! with its series. None is part of a checkpoint.

use std::collections::HashMap;

/// A slower one is waited for so long; then any other takes its place.
const FRESH_US: u64 = 60 * 1_000_000;

/// A request that stands for its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// As in [`Record::request_id_hash`](crate::batch::Record::request_id_hash); never 0.
    pub request_id_hash: u32,
    /// How long it took.
    pub duration_us: u64,
    /// When it ended, by its proxy's clock, microseconds since the Unix epoch.
    pub ended_us: u64,
}

/// By the number of the series.
#[derive(Debug, Clone, Default)]
pub(super) struct Exemplars(HashMap<u32, Exemplar, foldhash::fast::RandomState>);

impl Exemplars {
    /// Takes one in if it is better than the one there. `failed`: whether the requests of the series are failed ones.
    pub(super) fn offer(&mut self, series: u32, exemplar: Exemplar, failed: bool) {
        let known = self.0.entry(series).or_insert(exemplar);
        let is_stale = exemplar.ended_us.saturating_sub(known.ended_us) > FRESH_US;
        if failed || is_stale || exemplar.duration_us > known.duration_us {
            *known = exemplar;
        }
    }

    pub(super) fn get(&self, series: u32) -> Option<Exemplar> {
        self.0.get(&series).copied()
    }

    /// The series is gone.
    pub(super) fn remove(&mut self, series: u32) {
        self.0.remove(&series);
    }
}

#[cfg(test)]
mod tests {
    use super::{Exemplar, Exemplars};

    /// `(duration, end in seconds)` of requests in, the hash of the one that stays out; hashes count from 1.
    #[track_caller]
    fn check(failed: bool, offered: &[(u64, u64)], expected: u32) {
        let mut exemplars = Exemplars::default();
        for (request_id_hash, (duration_us, ended_s)) in (1..).zip(offered) {
            let ended_us = ended_s * 1_000_000;
            let exemplar = Exemplar { request_id_hash, duration_us: *duration_us, ended_us };
            exemplars.offer(3, exemplar, failed);
        }
        assert_eq!(exemplars.get(3).map(|it| it.request_id_hash), Some(expected));
        exemplars.remove(3);
        assert_eq!(exemplars.get(3), None);
    }

    #[test]
    fn the_slowest_of_a_minute_or_the_last_that_failed() {
        check(false, &[(5, 1), (9, 2), (7, 3)], 2);
        check(false, &[(9, 1), (7, 61), (5, 62)], 3);
        check(true, &[(9, 1), (7, 2)], 2);
    }
}
