//! Metric families of requests in flight, summed over all proxies.

use super::{InFlight, InFlightRequests, LONG_ROWS_MAX};
use crate::batch::Reporter;
use crate::metrics::{self, Family, Metric, Visitor, families, seconds, visit_rows};
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

static ROWS: [Metric<InFlightRequests>; 3] = [
    Metric::gauge(
        "hopscope_in_flight_long_rows",
        "Rows of long-running requests, one for each proxy and edge.",
        |in_flight| in_flight.long_rows.into(),
    ),
    Metric::gauge(
        "hopscope_in_flight_long_rows_limit",
        "Limit on the rows of long-running requests; near it, a proxy gets fewer rows.",
        |_| LONG_ROWS_MAX.into(),
    ),
    Metric::counter(
        "hopscope_in_flight_long_rows_dropped_total",
        "Rows of long-running requests that were dropped at the limit; the counts of their proxies include them.",
        |in_flight| Some(in_flight.long_rows_dropped),
    ),
];

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&REQUESTS).chain(families(&ROWS))
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
        metrics::visit(&ROWS, self, to);
    }
}
