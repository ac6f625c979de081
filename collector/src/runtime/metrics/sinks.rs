//! Metric families of the sinks.

use crate::runtime::self_metrics::sinks::{RESULTS, SinkStats};
use hopscope_core::metrics::{Family, Metric, Visitor, families, seconds, visit_rows};
use std::collections::BTreeMap;

static ITEMS: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_sink_items_total",
    "Samples of all cuts, by sink and result.",
    &["sink", "result"],
)];

static SUCCESS: [Metric<SinkStats>; 1] = [Metric::<SinkStats>::gauge(
    "hopscope_sink_last_success_timestamp_seconds",
    "Time of the last cut that was delivered completely in seconds since the Unix epoch, or 0.",
    |stats| seconds(stats.last_success_us).into(),
)
.labels(&["sink"])];

/// All declarations.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&ITEMS).chain(families(&SUCCESS))
}

/// Visits the families.
pub(super) fn visit(sinks: &BTreeMap<&'static str, SinkStats>, to: &mut impl Visitor) {
    let of_sink = |(sink, stats): (&&'static str, &SinkStats)| {
        let (sink, items) = (*sink, stats.items);
        RESULTS.into_iter().zip(items).map(move |(result, count)| ([sink, result], count))
    };
    let items: Vec<_> = sinks.iter().flat_map(of_sink).collect();
    visit_rows(&ITEMS, &items, to);
    let success: Vec<_> = sinks.iter().map(|(sink, stats)| ([*sink], *stats)).collect();
    visit_rows(&SUCCESS, &success, to);
}
