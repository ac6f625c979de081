//! Metric families of hops and of the join itself.
//!
//! Invariant: all verdicts of an edge add up to its hops; records = joined + alone + ambiguous +
//! late + evicted + unjoinable + pending.

use super::projected::{EDGE_NAMES, ExportedEdge, with_labels};
use super::{EdgeHops, Join, Verdict};
use crate::histogram::durations::BOUNDS_US;
use crate::metrics::{
    Buckets, Cursor, Exemplar, Family, Group, Labels, Metric, Slice, Visitor, families, seconds, visit,
    visit_rows,
};

/// Labels of an edge of hops, and the verdict.
const NAMES: [&str; 8] = {
    let [workload, namespace, version, called, called_namespace, called_version, service] = EDGE_NAMES;
    [workload, namespace, version, called, called_namespace, called_version, service, "verdict"]
};

static HOPS: [Metric<EdgeHops>; 2] = [
    Metric::<EdgeHops>::counter_by_label(
        "hopscope_hops_total",
        "Hops by edge and verdict: what both sides of a request report together.",
        |hops| {
            let counts = Verdict::ALL.into_iter().map(|verdict| (verdict.label(), hops.count(verdict)));
            counts.filter(|(_, count)| *count > 0).collect()
        },
    )
    .labels(&NAMES),
    Metric::<EdgeHops>::histogram(
        "hopscope_hop_gap_seconds",
        "Source duration minus destination duration of a hop in seconds: network, TLS and queueing.",
        &BOUNDS_US,
        |hops, native| {
            let gap = hops.gap();
            (gap.count() > 0).then(|| Buckets::of(gap.histogram(), native))
        },
    )
    .labels(&EDGE_NAMES),
];

static RECORDS: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_join_records_total",
    "Records that the join has resolved, by result.",
    &["result"],
)];

static EVICTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_join_evicted_total",
    "Records removed from the join before the end of their window, by reason.",
    &["reason"],
)];

static UNJOINABLE: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_join_unjoinable_total",
    "Records that cannot be joined, by reason.",
    &["reason"],
)];

static CORRECTED: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_join_corrected_hops_total",
    "Hops whose second record arrived after they were counted: by the verdict that was counted, and by that of both records.",
    &["verdict", "corrected_verdict"],
)];

static STAGE: [Metric<Join>; 8] = [
    Metric::counter(
        "hopscope_join_correctable_evicted_total",
        "Hops counted with one record that a late second record no longer corrects, because there were too many.",
        |join| Some(join.counted.evicted()),
    ),
    Metric::gauge(
        "hopscope_join_correctable_hops",
        "Hops counted with one record whose second record, if it arrives late, corrects the verdict.",
        |join| join.counted.len().into(),
    ),
    Metric::counter(
        "hopscope_join_low_confidence_total",
        "Hops with a certain verdict but an uncertain pairing, which therefore have no gap.",
        |join| Some(join.stats().low_confidence),
    ),
    Metric::counter(
        "hopscope_join_expired_hops_total",
        "Hops that were counted on edges removed after being idle.",
        |join| Some(join.stats().expired_hops),
    ),
    Metric::gauge(
        "hopscope_join_pending_records",
        "Records that wait for the record of the other side.",
        |join| join.pending().into(),
    ),
    Metric::gauge(
        "hopscope_join_pending_bytes",
        "Memory allocated for records that wait for the other side, in bytes.",
        |join| join.pending_bytes().into(),
    ),
    Metric::gauge("hopscope_join_clock_pairs", "Pairs of proxies whose clocks are compared.", |join| {
        join.clock_skew().0.into()
    }),
    Metric::gauge(
        "hopscope_join_clock_skew_max_seconds",
        "Largest known difference between the clocks of two proxies in seconds.",
        |join| seconds(join.clock_skew().1).into(),
    ),
];

/// Families of hops, with one series per edge.
#[derive(Debug)]
pub(crate) struct Hops;

impl Group for Hops {
    type Stage<'a> = &'a Join;
    type Series = EdgeHops;
    type Key = ExportedEdge;

    fn metrics() -> &'static [Metric<EdgeHops>] {
        &HOPS
    }

    fn created_us(hops: &EdgeHops) -> u64 {
        hops.created_us()
    }

    fn slice<T>(
        join: &Join,
        from: Cursor,
        read: impl Fn(&EdgeHops, Option<Exemplar>) -> Option<T>,
    ) -> Slice<ExportedEdge, T> {
        join.exported_slice(from, read)
    }

    fn labels((edge, exported): &ExportedEdge, with: impl FnOnce(Labels<'_>)) {
        with_labels(edge.as_ref(), *exported, with);
    }
}

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    let by_label =
        [&RECORDS, &EVICTED, &UNJOINABLE, &CORRECTED].into_iter().flat_map(|table| families(table));
    families(&HOPS).chain(by_label).chain(families(&STAGE))
}

impl Join {
    /// Visits the families of the join itself.
    pub fn metrics(&self, to: &mut impl Visitor) {
        let stats = self.stats();
        let results = [
            ("joined", stats.joined),
            ("alone", stats.alone),
            ("ambiguous", stats.ambiguous),
            ("late", stats.late),
        ];
        visit_rows(&RECORDS, &results.map(|(result, count)| ([result], count)), to);
        let evicted: Vec<_> = stats.evicted().map(|(reason, count)| ([reason.label()], count)).collect();
        visit_rows(&EVICTED, &evicted, to);
        let unjoinable: Vec<_> =
            stats.unjoinable().map(|(reason, count)| ([reason.label()], count)).collect();
        visit_rows(&UNJOINABLE, &unjoinable, to);
        let corrected: Vec<_> = stats
            .corrected()
            .map(|(counted, verdict, hops)| ([counted.label(), verdict.label()], hops))
            .collect();
        visit_rows(&CORRECTED, &corrected, to);
        visit(&STAGE, self, to);
    }
}
