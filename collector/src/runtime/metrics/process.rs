//! Metric families of the process.

use hopscope_core::metrics::{self, Family, Metric, Visitor, families, seconds, visit_rows};

static START: [Metric<u64>; 1] = [Metric::gauge(
    "process_start_time_seconds",
    "Start time of the collector in seconds since the Unix epoch.",
    |started_us| seconds(*started_us).into(),
)];

static BUILD: [Metric<u64>; 1] =
    [Metric::<u64>::gauge("hopscope_build_info", "Version of the collector; always 1.", |one| (*one).into())
        .labels(&["version"])];

/// All declarations.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&START).chain(families(&BUILD))
}

/// Visits the families. `started_us`: microseconds since the Unix epoch.
pub(super) fn visit(started_us: u64, to: &mut impl Visitor) {
    metrics::visit(&START, &started_us, to);
    visit_rows(&BUILD, &[([env!("CARGO_PKG_VERSION")], 1)], to);
}
