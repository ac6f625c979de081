//! Expiry of idle series.
//!
//! In: the time. Out: a budget for other series. Invariant: the requests of an expired series stay
//! in its exported series, or, with the last part of it, in a sum; an expiry raises the generation.

use super::series::seconds;
use super::{Aggregate, NONE};
use crate::identity::{EdgeId, EdgeTable};

/// Time between two searches for idle series.
const INTERVAL_US: u64 = 10 * 1_000_000;

impl Aggregate {
    /// Removes series without requests for longer than the limit. Returns whether there were any.
    pub fn expire(&mut self, edges: &EdgeTable, now_us: u64) -> bool {
        if self.checked_us > 0 && now_us.saturating_sub(self.checked_us) < INTERVAL_US {
            return false;
        }
        self.checked_us = now_us;
        let idle_since = seconds(now_us.saturating_sub(self.limits.idle_us_max()));
        let Self { series, first, expired_series, expired_requests, exemplars, budget, projection, .. } =
            self;
        let mut expired = false;
        for (edge, first) in (0_u32..).zip(first.iter_mut()) {
            let had_series = *first != NONE;
            let (mut at, mut active) = (*first, NONE);
            while let Some(entry) = series.get_mut(at as usize) {
                let next = entry.next;
                if entry.series.last_s >= idle_since {
                    entry.next = active;
                    active = at;
                } else {
                    *expired_series = expired_series.saturating_add(1);
                    let ended = projection.remove(at as usize, &entry.series);
                    let requests = ended.map_or(0, |ended| ended.stats.count());
                    *expired_requests = expired_requests.saturating_add(requests);
                    series.remove(at as usize);
                    exemplars.remove(at);
                    edges.namespace(EdgeId(edge)).into_iter().for_each(|namespace| budget.remove(namespace));
                    expired = true;
                }
                at = next;
            }
            *first = active;
            self.edges -= usize::from(had_series && active == NONE);
        }
        if expired {
            self.generation += 1;
        }
        expired
    }
}
