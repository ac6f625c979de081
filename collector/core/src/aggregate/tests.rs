use super::{Aggregate, Key, Series, Settings, reporting_namespace};
use crate::batch::{Edge, Identity, Outcome, Record, Reporter};
use crate::histogram::RequestStats;
use crate::identity::{self, AddressBook, EdgeTable, ResolvedEdge};
use crate::snapshot::bytes::collected;
use crate::snapshot::codec::{Reader, SnapshotState, Writer};
use std::sync::Arc;

fn edge(reporter: Reporter, workload: &str) -> ResolvedEdge {
    let own = Identity { workload: workload.into(), ..Identity::default() };
    AddressBook::new(identity::Settings::default()).resolve(&own, &Edge { reporter, ..Edge::default() })
}

fn stats(count: usize) -> RequestStats {
    let mut stats = RequestStats::default();
    (0..count).for_each(|_| stats.record(&Record { duration_us: 10, ..Record::default() }));
    stats
}

/// Series of requests, and the table of their edges.
struct Counted {
    edges: EdgeTable,
    aggregate: Aggregate,
}

impl Counted {
    fn new(limits: Settings) -> Self {
        Self { edges: EdgeTable::new(usize::MAX), aggregate: Aggregate::new(limits) }
    }

    fn add(&mut self, edge: &ResolvedEdge, outcome: Outcome, stats: &RequestStats, now_us: u64) {
        let namespace = reporting_namespace(edge);
        let has_capacity = self.aggregate.has_capacity(namespace);
        let id = self.edges.find(edge).or_else(|| has_capacity.then(|| self.edges.issue(edge))?);
        let reported_by = (edge.reporter, namespace);
        let (series, overflows) = self.aggregate.series(&self.edges, id, reported_by, outcome, now_us);
        if overflows {
            self.aggregate.overflow(stats.count());
        }
        self.aggregate.get_mut(series).unwrap().stats.merge(stats);
    }

    fn iter(&self) -> impl Iterator<Item = (Key, &Series)> {
        self.aggregate.iter(&self.edges)
    }
}

const SECOND_US: u64 = 1_000_000;

/// Checks the series after some requests, given as `(workload, count)`.
#[track_caller]
fn check(series_max: usize, requests: &[(&str, usize)], expected: &str) {
    let mut aggregate = Counted::new(Settings { series_max, ..Settings::default() });
    for (workload, count) in requests {
        aggregate.add(&edge(Reporter::Source, workload), Outcome::default(), &stats(*count), 1);
    }
    let mut series: Vec<String> = aggregate
        .iter()
        .map(|(key, series)| match key {
            Key::Edge(edge, _) => format!("{}={}", edge.source.workload, series.stats.count()),
            Key::Overflow(reporter) => format!("~{}={}", reporter.label(), series.stats.count()),
            Key::NamespaceOverflow(reporter, namespace) => {
                format!("~{}/{namespace}={}", reporter.label(), series.stats.count())
            }
        })
        .collect();
    series.sort();
    assert_eq!(format!("{}; {} overflowed", series.join(" "), aggregate.aggregate.overflowed()), expected);
}

#[test]
fn equal_labels_are_one_series() {
    check(9, &[("a", 1), ("b", 2), ("a", 3)], "a=4 b=2; 0 overflowed");
}

#[test]
fn requests_over_the_limit_are_counted_in_one_overflow_series() {
    check(2, &[("a", 1), ("b", 2), ("c", 3), ("a", 1), ("d", 4)], "a=2 b=2 ~source=7; 7 overflowed");
}

#[test]
fn idle_series_are_removed_and_their_sum_stays() {
    let mut aggregate = Counted::new(Settings { idle_s_max: 10, ..Settings::default() });
    aggregate.add(&edge(Reporter::Source, "a"), Outcome::default(), &stats(3), 100 * SECOND_US);
    aggregate.add(&edge(Reporter::Source, "b"), Outcome::default(), &stats(1), 105 * SECOND_US);
    aggregate.aggregate.expire(&aggregate.edges, 111 * SECOND_US);
    assert_eq!((aggregate.aggregate.named(), aggregate.aggregate.expired()), (1, (1, 3)));
}

#[test]
fn a_namespace_at_its_limit_overflows_alone_and_after_a_restart() {
    let limits = Settings { namespace_series_max: Some(1), ..Settings::default() };
    let mut aggregate = Counted::new(limits.clone());
    let of = |namespace: &str, workload: &str, reporter| {
        let identity =
            Identity { workload: workload.into(), namespace: namespace.into(), ..Identity::default() };
        AddressBook::new(identity::Settings::default())
            .resolve(&identity, &Edge { reporter, ..Edge::default() })
    };
    for (namespace, workload) in [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x"), ("b", "z"), ("b", "z")] {
        aggregate.add(&of(namespace, workload, Reporter::Destination), Outcome::default(), &stats(1), 1);
    }
    let shown = |aggregate: &Counted| {
        let mut keys: Vec<String> = aggregate
            .iter()
            .map(|(key, series)| match key {
                Key::Edge(edge, _) => {
                    format!(
                        "{}.{}={}",
                        edge.destination.workload,
                        edge.destination.namespace,
                        series.stats.count()
                    )
                }
                other => format!("{other:?}={}", series.stats.count()),
            })
            .collect();
        keys.sort();
        keys.join(" ")
    };
    let expected =
        "NamespaceOverflow(Destination, \"a\")=1 NamespaceOverflow(Destination, \"b\")=2 x.a=2 x.b=1";
    assert_eq!(
        (shown(&aggregate).as_str(), aggregate.aggregate.named(), aggregate.aggregate.overflowed()),
        (expected, 2, 3)
    );
    let bytes = collected(|sink| {
        let mut to = Writer::after(&[], sink);
        aggregate.edges.save(&mut to);
        aggregate.aggregate.save(&mut to);
        to.end();
    });
    let mut restored = Counted::new(limits);
    let mut from = Reader::new(&bytes);
    restored.edges.restore(&mut from).unwrap();
    restored.aggregate.restore(&mut from).unwrap();
    restored.aggregate.restore_budget(&restored.edges);
    restored.add(&of("a", "w", Reporter::Destination), Outcome::default(), &stats(1), 2);
    assert_eq!((shown(&restored), restored.aggregate.named()), (expected.replace("\"a\")=1", "\"a\")=2"), 2));
}

#[test]
fn an_expired_series_frees_the_budget_of_its_namespace() {
    let limits = Settings { namespace_series_max: Some(1), idle_s_max: 10, ..Settings::default() };
    let mut aggregate = Counted::new(limits);
    aggregate.add(&edge(Reporter::Source, "a"), Outcome::default(), &stats(1), 100 * SECOND_US);
    aggregate.aggregate.expire(&aggregate.edges, 200 * SECOND_US);
    aggregate.add(&edge(Reporter::Source, "b"), Outcome::default(), &stats(1), 201 * SECOND_US);
    assert_eq!((aggregate.aggregate.named(), aggregate.aggregate.overflowed()), (1, 0));
}

#[test]
fn series_100_001_is_counted_in_the_overflow_series() {
    let mut aggregate = Counted::new(Settings::default());
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
        aggregate.add(&edge, outcome, &stats(2), 1);
    }
    assert_eq!((aggregate.aggregate.named(), aggregate.aggregate.overflowed()), (100_000, 2));
    let overflow: Vec<u64> = aggregate
        .iter()
        .filter(|(key, _)| *key == Key::Overflow(Reporter::Source))
        .map(|(_, series)| series.stats.count())
        .collect();
    assert_eq!(overflow, [2]);
    let all: u64 = aggregate.iter().map(|(_, series)| series.stats.count()).sum();
    assert_eq!(all, 200_002);
}

#[test]
fn a_series_takes_104_bytes_beside_its_counters() {
    assert_eq!(size_of::<super::Entry>(), 104);
}
