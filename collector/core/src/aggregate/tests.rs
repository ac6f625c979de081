use super::{Aggregate, Key, Limits};
use crate::batch::{Edge, Identity, Outcome, Record, Reporter};
use crate::histogram::RequestStats;
use crate::identity::{AddressBook, Limits as BookLimits, ResolvedEdge};
use crate::snapshot::bytes::collected;
use crate::snapshot::codec::{Reader, SnapshotState, Writer};
use std::sync::Arc;

fn edge(reporter: Reporter, workload: &str) -> ResolvedEdge {
    let own = Identity { workload: workload.into(), ..Identity::default() };
    AddressBook::new(BookLimits::default()).complete(&own, &Edge { reporter, ..Edge::default() })
}

fn measure(count: usize) -> RequestStats {
    let mut measure = RequestStats::default();
    (0..count).for_each(|_| measure.record(&Record { duration_us: 10, ..Record::default() }));
    measure
}

/// `workload count` pairs in, sorted series out.
const SECOND_US: u64 = 1_000_000;

#[track_caller]
fn check(series_max: usize, requests: &[(&str, usize)], expected: &str) {
    let mut aggregate = Aggregate::new(Limits { series_max, ..Limits::default() });
    for (workload, count) in requests {
        aggregate.add(&edge(Reporter::Source, workload), Outcome::default(), &measure(*count), 1);
    }
    let mut series: Vec<String> = aggregate
        .iter()
        .map(|(key, series)| match key {
            Key::Edge(edge, _) => format!("{}={}", edge.source.workload, series.measure.count()),
            Key::Overflow(reporter) => format!("~{}={}", reporter.label(), series.measure.count()),
            Key::TenantOverflow(reporter, namespace) => {
                format!("~{}/{namespace}={}", reporter.label(), series.measure.count())
            }
        })
        .collect();
    series.sort();
    assert_eq!(format!("{}; {} overflowed", series.join(" "), aggregate.overflowed()), expected);
}

#[test]
fn equal_labels_are_one_series() {
    check(9, &[("a", 1), ("b", 2), ("a", 3)], "a=4 b=2; 0 overflowed");
}

#[test]
fn what_finds_no_room_is_counted_together() {
    check(2, &[("a", 1), ("b", 2), ("c", 3), ("a", 1), ("d", 4)], "a=2 b=2 ~source=7; 7 overflowed");
}

#[test]
fn idle_series_are_taken_out_and_their_sum_stays() {
    let mut aggregate = Aggregate::new(Limits { idle_us_max: 10 * SECOND_US, ..Limits::default() });
    aggregate.add(&edge(Reporter::Source, "a"), Outcome::default(), &measure(3), 100 * SECOND_US);
    aggregate.add(&edge(Reporter::Source, "b"), Outcome::default(), &measure(1), 105 * SECOND_US);
    aggregate.expire(111 * SECOND_US);
    assert_eq!((aggregate.named(), aggregate.expired()), (1, (1, 3)));
}

#[test]
fn a_namespace_that_has_its_share_overflows_alone_and_across_a_start() {
    let limits = Limits { namespace_series_max: Some(1), ..Limits::default() };
    let mut aggregate = Aggregate::new(limits.clone());
    let of = |namespace: &str, workload: &str, reporter| {
        let identity =
            Identity { workload: workload.into(), namespace: namespace.into(), ..Identity::default() };
        AddressBook::new(BookLimits::default()).complete(&identity, &Edge { reporter, ..Edge::default() })
    };
    for (namespace, workload) in [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x"), ("b", "z"), ("b", "z")] {
        aggregate.add(&of(namespace, workload, Reporter::Destination), Outcome::default(), &measure(1), 1);
    }
    let shown = |aggregate: &Aggregate| {
        let mut keys: Vec<String> = aggregate
            .iter()
            .map(|(key, series)| match key {
                Key::Edge(edge, _) => {
                    format!(
                        "{}.{}={}",
                        edge.destination.workload,
                        edge.destination.namespace,
                        series.measure.count()
                    )
                }
                other => format!("{other:?}={}", series.measure.count()),
            })
            .collect();
        keys.sort();
        keys.join(" ")
    };
    let expected = "TenantOverflow(Destination, \"a\")=1 TenantOverflow(Destination, \"b\")=2 x.a=2 x.b=1";
    assert_eq!((shown(&aggregate).as_str(), aggregate.named(), aggregate.overflowed()), (expected, 2, 3));
    let bytes = collected(|sink| {
        let mut to = Writer::after(&[], sink);
        aggregate.save(&mut to);
        to.end();
    });
    let mut again = Aggregate::new(limits);
    again.restore(&mut Reader::new(&bytes)).unwrap();
    again.add(&of("a", "w", Reporter::Destination), Outcome::default(), &measure(1), 2);
    assert_eq!((shown(&again), again.named()), (expected.replace("\"a\")=1", "\"a\")=2"), 2));
}

#[test]
fn a_series_that_goes_makes_room_in_its_namespace() {
    let limits = Limits { namespace_series_max: Some(1), idle_us_max: 10 * SECOND_US, ..Limits::default() };
    let mut aggregate = Aggregate::new(limits);
    aggregate.add(&edge(Reporter::Source, "a"), Outcome::default(), &measure(1), 100 * SECOND_US);
    aggregate.expire(200 * SECOND_US);
    aggregate.add(&edge(Reporter::Source, "b"), Outcome::default(), &measure(1), 201 * SECOND_US);
    assert_eq!((aggregate.named(), aggregate.overflowed()), (1, 0));
}

#[test]
fn series_100_001_is_in_overflow_and_says_so() {
    let mut aggregate = Aggregate::new(Limits::default());
    let name = edge(Reporter::Source, "a");
    for code in 0..100_001_u32 {
        let outcome = Outcome {
            response_code: code % 1_000,
            response_flags: (code / 1_000).into(),
            ..Outcome::default()
        };
        let workload = format!("w{}", code / 500);
        let mut source = (*name.source).clone();
        source.workload = workload.as_str().into();
        let edge = ResolvedEdge { source: Arc::new(source), ..name.clone() };
        aggregate.add(&edge, outcome, &measure(2), 1);
    }
    assert_eq!((aggregate.named(), aggregate.overflowed()), (100_000, 2));
    let overflow: Vec<u64> = aggregate
        .iter()
        .filter(|(key, _)| *key == Key::Overflow(Reporter::Source))
        .map(|(_, series)| series.measure.count())
        .collect();
    assert_eq!(overflow, [2]);
    let all: u64 = aggregate.iter().map(|(_, series)| series.measure.count()).sum();
    assert_eq!(all, 200_002);
}

#[test]
fn a_series_takes_104_bytes_beside_its_counters() {
    assert_eq!(size_of::<super::Entry>(), 104);
}
