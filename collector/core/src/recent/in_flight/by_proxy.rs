//! Requests in flight of one proxy, and the order in which a reader walks the proxies.

use super::{InFlight, InFlightRequests, ReporterInFlight};
use crate::batch::{EpochId, Reporter, Text};
use crate::identity::ResolvedEdge;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

impl InFlightRequests {
    /// Returns the first proxy after `proxy` in the order of names.
    #[must_use]
    pub fn next_proxy(&self, proxy: &Text) -> Option<&Text> {
        let last = EpochId { proxy: proxy.clone(), epoch: u64::MAX };
        let mut after = self.epochs.range((Excluded(last), Unbounded));
        after.next().map(|(epoch_id, _)| &epoch_id.proxy)
    }

    /// Returns the requests in flight of a proxy, by reporter.
    #[must_use]
    pub fn of(&self, proxy: &Text, now_us: u64) -> BTreeMap<Reporter, InFlight> {
        let mut reporters: BTreeMap<_, InFlight> = BTreeMap::new();
        for (by_us, side) in self.sides(proxy, now_us) {
            reporters.entry(side.reporter).or_default().add(side.sum.aged(by_us));
        }
        reporters
    }

    /// Returns the long-running requests of a proxy, by edge.
    #[must_use]
    pub fn long_of(&self, proxy: &Text, now_us: u64) -> HashMap<ResolvedEdge, InFlight> {
        let mut edges: HashMap<_, InFlight> = HashMap::new();
        for (by_us, side) in self.sides(proxy, now_us) {
            for (edge, open) in &side.long {
                edges.entry(edge.clone()).or_default().add(open.aged(by_us));
            }
        }
        edges
    }

    /// Returns the sides of all epochs of a proxy, with the time since each was reported.
    fn sides(&self, proxy: &Text, now_us: u64) -> impl Iterator<Item = (u64, &ReporterInFlight)> {
        let first = EpochId { proxy: proxy.clone(), epoch: 0 };
        let proxy = proxy.clone();
        let epochs = self.epochs.range(first..).take_while(move |(epoch_id, _)| epoch_id.proxy == proxy);
        epochs.flat_map(move |(_, report)| {
            let by_us = now_us.saturating_sub(report.last_report_us);
            report.sides.iter().map(move |side| (by_us, side))
        })
    }
}
