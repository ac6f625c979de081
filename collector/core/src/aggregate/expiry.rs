//! Series that nothing is added to any more.
//!
//! In: the time. Out: room. Always holds: what had been counted in a series that goes is in a sum; a number that stands for
//! nothing any more is told by another generation.

use super::series::seconds;
use super::{Aggregate, NONE};

/// Between two looks for idle series.
const LOOK_US: u64 = 10 * 1_000_000;

impl Aggregate {
    /// Takes out what nothing was added to for long.
    pub fn expire(&mut self, now_us: u64) {
        if self.looked_us > 0 && now_us.saturating_sub(self.looked_us) < LOOK_US {
            return;
        }
        self.looked_us = now_us;
        let idle_since = seconds(now_us.saturating_sub(self.limits.idle_us_max));
        let Self { series, edges, names, expired_series, expired_requests, exemplars, tenants, .. } = self;
        let mut gone = false;
        for (_, edge) in edges.iter_mut() {
            let (mut at, mut kept) = (edge.first, NONE);
            while let Some(entry) = series.get_mut(at as usize) {
                let next = entry.next;
                if entry.series.last_s >= idle_since {
                    entry.next = kept;
                    kept = at;
                } else {
                    *expired_series = expired_series.saturating_add(1);
                    *expired_requests = expired_requests.saturating_add(entry.series.measure.count());
                    series.remove(at as usize);
                    exemplars.forget(at);
                    names.tenant(edge.name).into_iter().for_each(|tenant| tenants.take(tenant));
                    gone = true;
                }
                at = next;
            }
            edge.first = kept;
        }
        if gone {
            self.forget_empty();
        }
    }

    /// Takes out edges that have no series any more.
    fn forget_empty(&mut self) {
        self.generation += 1;
        let Self { edges, numbers, names, .. } = self;
        numbers.retain(|number| edges.get(*number as usize).is_some_and(|edge| edge.first != NONE));
        edges.retain(|_, edge| edge.first != NONE);
        names.keep(edges.iter().map(|(_, edge)| edge.name));
    }
}
