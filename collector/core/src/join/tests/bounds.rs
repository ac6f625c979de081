//! What is not joined, and what finds no room.

use super::{Scene, check, check_with};
use crate::join::{Eviction, Settings, Unjoinable};

#[test]
fn what_cannot_be_joined_is_counted_by_reason() {
    let scene = check(
        "1000 src shop>pay #- 0+10 200
         1000 fold src shop>pay #1 0+10 200
         1000 src shop>? #2 0+10 200
         9000000 src shop>pay #3 0+10 200",
        &[],
    );
    let counts: Vec<u64> = scene.join.stats().unjoinable().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 5, 1, 0, 1]);
    assert_eq!(Unjoinable::ALL.map(Unjoinable::label)[4], "out_of_time");
}

#[test]
fn a_full_table_lets_go_and_says_so() {
    let limits = Settings { pending_max: 3, ..Settings::default() };
    let scene = check_with(
        limits,
        "known shop>pay
         1000 src shop>pay #1 0+10 200
         1100 src shop>pay #2 0+10 200
         1200 src shop>pay #3 0+10 200
         1300 src shop>pay #4 0+10 200
         1400 dst shop>pay #4 1+8 200",
        &["shop>pay agreed ok/ok 1", "shop>pay telemetry_lost ok/none 2"],
    );
    let evicted: Vec<_> = scene.join.stats().evicted().collect();
    assert_eq!(evicted, [(Eviction::Full, 1), (Eviction::Crowded, 0)]);
}

#[test]
fn a_crowd_under_one_id_is_bounded() {
    let mut scene = Scene::new(Settings::default());
    for _ in 0..100 {
        scene.tell(&super::Line::parse("src shop>pay #1 0+10 200"), 0);
    }
    let evicted: Vec<_> = scene.join.stats().evicted().collect();
    assert_eq!((scene.join.open(), evicted), (24, vec![(Eviction::Full, 0), (Eviction::Crowded, 76)]));
}

#[test]
fn edges_that_find_no_room_are_counted_together() {
    let limits = Settings { edges_max: 1, ..Settings::default() };
    let scene = check_with(
        limits,
        "1000 src shop>pay #1 0+10 UF/503
         1000 src shop>stock #1 0+10 UF/503",
        &["shop>pay not_forwarded not_forwarded/none 1"],
    );
    assert_eq!(scene.join.overflow().hops(), 1);
}

#[test]
fn an_edge_without_room_is_joined_by_whom_it_calls() {
    let limits = Settings { edges_max: 1, ..Settings::default() };
    let scene = check_with(
        limits,
        "1000 src shop>pay #1 0+10 200
         1000 dst shop>pay #1 1+8 200
         1000 src cart>pay #2 0+10 200
         1000 dst cart>pay #2 1+8 200
         1000 src cart>pay #3 0+10 200
         1000 dst cart>stock #3 1+8 200",
        &["shop>pay agreed ok/ok 1"],
    );
    // The third request's two sides are about other called ends.
    let overflow = scene.join.overflow();
    assert_eq!((overflow.hops(), overflow.joined), (3, 1));
}
