use super::{Evicted, Failed, Failures, Settings};
use crate::batch::{Detail, Edge, Identity, Outcome, Record};
use crate::identity::{self, AddressBook, ResolvedEdge};
use proptest::prelude::*;
use std::sync::Arc;

fn edge(workload: &str) -> Arc<ResolvedEdge> {
    let own = Identity { workload: workload.into(), ..Identity::default() };
    Arc::new(AddressBook::new(identity::Settings::default()).resolve(&own, &Edge::default()))
}

fn failed(duration_us: u64, details: &str) -> Failed {
    let record = Record { duration_us, ..Record::default() };
    let detail = Detail { code_details: details.into(), ..Detail::default() };
    Failed::of(&record, &"p".into(), Outcome::default(), detail, 1)
}

/// Durations of failed requests by workload in, what is kept out.
#[track_caller]
fn check(limits: Settings, told: &[(&str, u64)], expected: &str) {
    let mut failures = Failures::new(limits);
    for (workload, duration_us) in told {
        failures.put(&edge(workload), [failed(*duration_us, "")], 100);
    }
    let kept: Vec<String> = failures
        .after(0)
        .map(|row| format!("{}:{}={}", row.number, row.edge.source.workload, row.failed.duration_us))
        .collect();
    let evicted = Evicted::ALL.map(|why| failures.evicted(why));
    assert_eq!(format!("{}; {} edges; {evicted:?}", kept.join(" "), failures.edges()), expected);
}

const ROOM: Settings = Settings { edge_records_max: 9, records_max: 9, bytes_max: 1 << 20 };

#[test]
fn the_oldest_goes() {
    let told = [("a", 1), ("b", 2), ("a", 3), ("a", 4)];
    check(ROOM, &told, "100:a=1 101:b=2 102:a=3 103:a=4; 2 edges; [0, 0, 0]");
    check(Settings { edge_records_max: 2, ..ROOM }, &told, "101:b=2 102:a=3 103:a=4; 2 edges; [1, 0, 0]");
    check(Settings { records_max: 2, ..ROOM }, &told, "102:a=3 103:a=4; 1 edges; [0, 2, 0]");
    check(Settings { bytes_max: 1, ..ROOM }, &told, "; 0 edges; [0, 0, 4]");
    check(Settings { edge_records_max: 0, ..ROOM }, &told, "; 0 edges; [4, 0, 0]");
}

#[test]
fn numbers_rise_with_the_time_and_without_it() {
    let mut failures = Failures::new(ROOM);
    for now_us in [50, 50, 90, 10] {
        failures.put(&edge("a"), [failed(1, "")], now_us);
    }
    let numbers: Vec<u64> = failures.after(50).map(|row| row.number).collect();
    assert_eq!((numbers, failures.last()), (vec![51, 90, 91], 91));
}

proptest! {
    /// Whatever comes, the bounds hold, nothing is lost uncounted, and an empty store takes nothing.
    #[test]
    fn bounds_hold_and_books_close(
        told in proptest::collection::vec((0..6_usize, 0..40_usize), 0..80),
        (edge_records_max, records_max, bytes_max) in (0..6_usize, 0..12_usize, 0..20_000_usize),
    ) {
        let edges: Vec<_> = (0..6).map(|number| edge(&format!("w{number}"))).collect();
        let mut failures = Failures::new(ROOM);
        failures.limit(Settings { edge_records_max, records_max, bytes_max });
        for (edge, length) in &told {
            failures.put(&edges[*edge], [failed(1, &"x".repeat(*length))], 1);
            prop_assert!(failures.len() <= records_max && failures.bytes() <= bytes_max);
            for edge in &edges {
                let of_edge = failures.after(0).filter(|row| row.edge == *edge).count();
                prop_assert!(of_edge <= edge_records_max);
            }
        }
        let evicted: u64 = Evicted::ALL.iter().map(|why| failures.evicted(*why)).sum();
        prop_assert_eq!(failures.seen(), failures.len() as u64 + evicted);
        failures.limit(Settings { records_max: 0, ..ROOM });
        prop_assert_eq!((failures.len(), failures.bytes(), failures.edges()), (0, 0, 0));
    }
}
