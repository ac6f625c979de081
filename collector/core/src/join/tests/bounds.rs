//! Records that are not joined, and limits.

use super::{Scenario, check, check_with};
use crate::join::{Eviction, Settings, Unjoinable};

#[test]
fn unjoinable_records_are_counted_by_reason() {
    let scenario = check(
        "1000 src shop>pay #- 0+10 200
         1000 fold src shop>pay #1 0+10 200
         1000 src shop>? #2 0+10 200
         9000000 src shop>pay #3 0+10 200",
        &[],
    );
    let counts: Vec<u64> = scenario.join.stats().unjoinable().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 5, 1, 0, 1]);
    assert_eq!(Unjoinable::ALL.map(Unjoinable::label)[4], "out_of_time");
}

#[test]
fn a_full_table_evicts_and_counts_records() {
    let limits = Settings { pending_max: 3, ..Settings::default() };
    let scenario = check_with(
        limits,
        "known shop>pay
         1000 src shop>pay #1 0+10 200
         1100 src shop>pay #2 0+10 200
         1200 src shop>pay #3 0+10 200
         1300 src shop>pay #4 0+10 200
         1400 dst shop>pay #4 1+8 200",
        &["shop>pay agreed ok/ok 1", "shop>pay telemetry_lost ok/none 2"],
    );
    let evicted: Vec<_> = scenario.join.stats().evicted().collect();
    assert_eq!(evicted, [(Eviction::Full, 1), (Eviction::Crowded, 0)]);
}

#[test]
fn records_per_request_id_are_bounded() {
    let mut scenario = Scenario::new(Settings::default());
    for _ in 0..100 {
        scenario.report(&super::Report::parse("src shop>pay #1 0+10 200"), 0);
    }
    let evicted: Vec<_> = scenario.join.stats().evicted().collect();
    assert_eq!((scenario.join.pending(), evicted), (24, vec![(Eviction::Full, 0), (Eviction::Crowded, 76)]));
}

#[test]
fn edges_above_the_limit_are_counted_together() {
    let limits = Settings { edges_max: 1, ..Settings::default() };
    let scenario = check_with(
        limits,
        "1000 src shop>pay #1 0+10 UF/503
         1000 src shop>stock #1 0+10 UF/503",
        &["shop>pay not_forwarded not_forwarded/none 1"],
    );
    assert_eq!(scenario.join.overflow().hops(), 1);
}

#[test]
fn overflow_edges_are_joined_by_destination() {
    let limits = Settings { edges_max: 1, ..Settings::default() };
    let scenario = check_with(
        limits,
        "1000 src shop>pay #1 0+10 200
         1000 dst shop>pay #1 1+8 200
         1000 src cart>pay #2 0+10 200
         1000 dst cart>pay #2 1+8 200
         1000 src cart>pay #3 0+10 200
         1000 dst cart>stock #3 1+8 200",
        &["shop>pay agreed ok/ok 1"],
    );
    // The two records of the third request have different destinations.
    let overflow = scenario.join.overflow();
    assert_eq!((overflow.hops(), overflow.joined), (3, 1));
}
