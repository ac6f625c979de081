use super::{Aggregate, Key, Limits};
use crate::identity::{AddressBook, Limits as BookLimits, NamedEdge};
use crate::measure::Measure;
use crate::report::{Edge, Identity, Outcome, Record, Reporter};

fn edge(reporter: Reporter, workload: &str) -> NamedEdge {
    let own = Identity { workload: workload.into(), ..Identity::default() };
    AddressBook::new(BookLimits::default()).complete(&own, &Edge { reporter, ..Edge::default() })
}

fn measure(count: usize) -> Measure {
    let mut measure = Measure::default();
    (0..count).for_each(|_| measure.record(&Record { duration_us: 10, ..Record::default() }));
    measure
}

/// `workload count` pairs in, sorted series out.
#[track_caller]
fn check(series_max: usize, requests: &[(&str, usize)], expected: &str) {
    let mut aggregate = Aggregate::new(Limits { series_max, ..Limits::default() });
    for (workload, count) in requests {
        aggregate.add(edge(Reporter::Source, workload), Outcome::default(), &measure(*count), 1);
    }
    let mut series: Vec<String> = aggregate
        .iter()
        .map(|(key, series)| match key {
            Key::Edge(edge, _) => format!("{}={}", edge.source.workload, series.measure.count()),
            Key::Overflow(reporter) => format!("~{}={}", reporter.label(), series.measure.count()),
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
    let mut aggregate = Aggregate::new(Limits { idle_us_max: 10, ..Limits::default() });
    aggregate.add(edge(Reporter::Source, "a"), Outcome::default(), &measure(3), 100);
    aggregate.add(edge(Reporter::Source, "b"), Outcome::default(), &measure(1), 105);
    aggregate.expire(111);
    assert_eq!((aggregate.named(), aggregate.expired()), (1, (1, 3)));
}
