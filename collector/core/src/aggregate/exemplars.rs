//! Exemplars: one request of each series.
//!
//! In: requests with a request id: of each batch the slowest, and the last failed one of each edge
//! and outcome. Out: for a series the last failed request, or the slowest of about the last minute.
//! Invariant: at most one exemplar per series, which is removed together with its series. Exemplars
//! are not part of a snapshot.

use std::collections::HashMap;

/// Time after which a faster request replaces an exemplar.
const FRESH_US: u64 = 60 * 1_000_000;

/// Request that represents its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// As in [`Record::request_id_hash`](crate::batch::Record::request_id_hash); never 0.
    pub request_id_hash: u32,
    /// Duration of the request.
    pub duration_us: u64,
    /// End of the request by the clock of its proxy, microseconds since the Unix epoch.
    pub ended_us: u64,
}

/// Exemplars by the id of their series.
#[derive(Debug, Clone, Default)]
pub(super) struct Exemplars(HashMap<u32, Exemplar, foldhash::fast::RandomState>);

impl Exemplars {
    /// Replaces the exemplar of a series if the offered one is slower, or the present one is stale.
    /// `failed`: whether the requests of the series failed; then the last one replaces any other.
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

    /// Removes the exemplar of a series.
    pub(super) fn remove(&mut self, series: u32) {
        self.0.remove(&series);
    }
}

#[cfg(test)]
mod tests {
    use super::{Exemplar, Exemplars};

    /// Checks the hash of the request that remains. `offered`: `(duration, end in seconds)`; the
    /// hashes count from 1.
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
    fn the_slowest_request_of_a_minute_or_the_last_failed_one_remains() {
        check(false, &[(5, 1), (9, 2), (7, 3)], 2);
        check(false, &[(9, 1), (7, 61), (5, 62)], 3);
        check(true, &[(9, 1), (7, 2)], 2);
    }
}
