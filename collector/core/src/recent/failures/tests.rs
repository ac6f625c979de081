use super::{Evicted, FailedRecord, Failures, Settings};
use crate::batch::{Detail, Edge, Identity, Outcome, Record};
use crate::identity::{self, AddressBook, ResolvedEdge};
use proptest::prelude::*;
use std::sync::Arc;

fn edge(workload: &str) -> Arc<ResolvedEdge> {
    let own = Identity { workload: workload.into(), ..Identity::default() };
    Arc::new(AddressBook::new(identity::Settings::default()).resolve(&own, &Edge::default()))
}

fn failed(duration_us: u64, details: &str) -> FailedRecord {
    let record = Record { duration_us, ..Record::default() };
    let detail = Detail { code_details: details.into(), ..Detail::default() };
    FailedRecord::of(&record, &"p".into(), Outcome::default(), detail, 1)
}

/// Asserts the stored failures after failed records of `(workload, duration)`.
#[track_caller]
fn check(limits: Settings, records: &[(&str, u64)], expected: &str) {
    let mut failures = Failures::new(limits);
    for (workload, duration_us) in records {
        failures.put(&edge(workload), [failed(*duration_us, "")], 100);
    }
    let stored: Vec<String> = failures
        .after(0)
        .map(|row| format!("{}:{}={}", row.number, row.edge.source.workload, row.failed.duration_us))
        .collect();
    let evicted = Evicted::ALL.map(|why| failures.evicted(why));
    assert_eq!(format!("{}; {} edges; {evicted:?}", stored.join(" "), failures.edges()), expected);
}

const LIMITS: Settings = Settings { edge_records_max: 9, records_max: 9, bytes_max: 1 << 20 };

#[test]
fn the_oldest_failure_is_evicted() {
    let records = [("a", 1), ("b", 2), ("a", 3), ("a", 4)];
    check(LIMITS, &records, "100:a=1 101:b=2 102:a=3 103:a=4; 2 edges; [0, 0, 0]");
    check(
        Settings { edge_records_max: 2, ..LIMITS },
        &records,
        "101:b=2 102:a=3 103:a=4; 2 edges; [1, 0, 0]",
    );
    check(Settings { records_max: 2, ..LIMITS }, &records, "102:a=3 103:a=4; 1 edges; [0, 2, 0]");
    check(Settings { bytes_max: 1, ..LIMITS }, &records, "; 0 edges; [0, 0, 4]");
    check(Settings { edge_records_max: 0, ..LIMITS }, &records, "; 0 edges; [4, 0, 0]");
}

#[test]
fn numbers_increase_even_if_the_clock_does_not() {
    let mut failures = Failures::new(LIMITS);
    for now_us in [50, 50, 90, 10] {
        failures.put(&edge("a"), [failed(1, "")], now_us);
    }
    let numbers: Vec<u64> = failures.after(50).map(|row| row.number).collect();
    assert_eq!((numbers, failures.last()), (vec![51, 90, 91], 91));
}

proptest! {
    /// For any records all limits hold, each record is stored or counted as evicted, and an empty
    /// store takes no memory.
    #[test]
    fn limits_hold_and_counters_balance(
        records in proptest::collection::vec((0..6_usize, 0..40_usize), 0..80),
        (edge_records_max, records_max, bytes_max) in (0..6_usize, 0..12_usize, 0..20_000_usize),
    ) {
        let edges: Vec<_> = (0..6).map(|number| edge(&format!("w{number}"))).collect();
        let mut failures = Failures::new(LIMITS);
        failures.limit(Settings { edge_records_max, records_max, bytes_max });
        for (edge, length) in &records {
            failures.put(&edges[*edge], [failed(1, &"x".repeat(*length))], 1);
            prop_assert!(failures.len() <= records_max && failures.bytes() <= bytes_max);
            for edge in &edges {
                let of_edge = failures.after(0).filter(|row| row.edge == *edge).count();
                prop_assert!(of_edge <= edge_records_max);
            }
        }
        let evicted: u64 = Evicted::ALL.iter().map(|why| failures.evicted(*why)).sum();
        prop_assert_eq!(failures.seen(), failures.len() as u64 + evicted);
        failures.limit(Settings { records_max: 0, ..LIMITS });
        prop_assert_eq!((failures.len(), failures.bytes(), failures.edges()), (0, 0, 0));
    }
}
