//! Metric families of requests in flight, summed over all proxies.

use super::{InFlight, InFlightRequests};
use crate::batch::Reporter;
use crate::metrics::{Family, Metric, Visitor, families, seconds, visit_rows};
use std::collections::BTreeMap;

static REQUESTS: [Metric<InFlight>; 3] = [
    Metric::<InFlight>::gauge(
        "hopscope_in_flight_requests",
        "Requests that have begun but not ended, by reporter.",
        |open| open.count.into(),
    )
    .labels(&["reporter"]),
    Metric::<InFlight>::gauge(
        "hopscope_in_flight_long_requests",
        "Requests in flight that are older than the threshold of their proxy, by reporter.",
        |open| open.long_count.into(),
    )
    .labels(&["reporter"]),
    Metric::<InFlight>::gauge(
        "hopscope_in_flight_request_age_max_seconds",
        "Age of the oldest request in flight in seconds, by reporter.",
        |open| seconds(open.oldest_age_us).into(),
    )
    .labels(&["reporter"]),
];

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&REQUESTS)
}

impl InFlightRequests {
    /// Visits the families of the stage.
    pub fn metrics(&self, now_us: u64, to: &mut impl Visitor) {
        let sides = [Reporter::Source, Reporter::Destination, Reporter::Waypoint];
        let mut sums: BTreeMap<Reporter, InFlight> = sides.map(|side| (side, InFlight::default())).into();
        for ((_, reporter), open) in self.proxies(now_us) {
            sums.entry(reporter).or_default().add(open);
        }
        let rows: Vec<_> = sums.into_iter().map(|(reporter, open)| ([reporter.label()], open)).collect();
        visit_rows(&REQUESTS, &rows, to);
    }
}
