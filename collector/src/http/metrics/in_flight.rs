//! Families of the requests in flight.
//!
//! In: the requests that the proxies report as in flight. Out: sums by reporter.

use super::super::prometheus::{Exposition, Kind};
use hopscope_core::batch::Reporter;
use hopscope_core::recent::in_flight::{InFlightRequests, Open};
use std::collections::BTreeMap;

/// The sums over all proxies.
pub(super) fn metrics(text: &mut Exposition<'_>, open: &InFlightRequests, now_us: u64) {
    let mut reporters: BTreeMap<Reporter, Open> = BTreeMap::new();
    for side in [Reporter::Source, Reporter::Destination, Reporter::Waypoint] {
        reporters.insert(side, Open::default());
    }
    for ((_, reporter), open) in open.proxies(now_us) {
        reporters.entry(reporter).or_default().add(open);
    }
    text.family("hopscope_in_flight_requests", Kind::Gauge, "Requests that have begun and not ended.");
    for (reporter, open) in &reporters {
        text.sample("hopscope_in_flight_requests", &[("reporter", reporter.label())], open.count);
    }
    text.family(
        "hopscope_in_flight_long_requests",
        Kind::Gauge,
        "Those over their proxy's threshold of age.",
    );
    for (reporter, open) in &reporters {
        text.sample("hopscope_in_flight_long_requests", &[("reporter", reporter.label())], open.long_count);
    }
    text.family("hopscope_in_flight_request_age_max_seconds", Kind::Gauge, "Age of the oldest of them.");
    for (reporter, open) in &reporters {
        let age_s = open.oldest_age_us as f64 / 1_000_000.0;
        text.sample("hopscope_in_flight_request_age_max_seconds", &[("reporter", reporter.label())], age_s);
    }
}
