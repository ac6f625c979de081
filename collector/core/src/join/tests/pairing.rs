//! Which records belong together, and when that is decided.

use super::{Scene, check};
use crate::join::Settings;

#[test]
fn a_caller_without_a_name_is_found_by_its_record() {
    check(
        "1000 src shop>pay #1 0+10 200
         1000 dst ?>pay #1 1+8 200",
        &["shop>pay agreed ok/ok 1"],
    );
}

#[test]
fn one_id_is_on_many_hops() {
    check(
        "1000 src shop>pay #1 0+100 200
         1000 dst shop>pay #1 1+98 200
         1000 src shop>stock #1 0+100 200
         1000 dst shop>stock #1 1+98 200
         1000 src order>pay #1 0+100 UT/504
         1000 dst order>pay #1 1+101 DC/-",
        &[
            "order>pay caller_gave_up timed_out/caller_gave_up 1",
            "shop>pay agreed ok/ok 1",
            "shop>stock agreed ok/ok 1",
        ],
    );
}

#[test]
fn parallel_calls_under_one_id_agree_and_have_no_gap() {
    // The longer one is told first, and the shorter one's other side before its own.
    let scene = check(
        "1000 src shop>pay #1 0+100 200
         1001 dst shop>pay #1 21+38 200
         1002 src shop>pay #1 20+40 200
         1003 dst shop>pay #1 1+98 200",
        &["shop>pay agreed ok/ok 2"],
    );
    assert_eq!(scene.join.stats().joined, 4);
}

#[test]
fn which_of_several_is_not_guessed() {
    let scene = check(
        "1000 src shop>pay #1 0+200 UT/504
         1000 src shop>pay #1 1+200 UC/503
         1000 dst shop>pay #1 2+60 200
         1000 dst shop>pay #1 2+200 DC/-",
        &["shop>pay ambiguous reset/none 1", "shop>pay ambiguous timed_out/none 1"],
    );
    assert_eq!(scene.join.stats().ambiguous, 4);
    check(
        "1000 src shop>pay #1 0+200 UT/504
         1000 src shop>pay #1 1+200 UT/504
         1000 dst shop>pay #1 2+60 200
         1000 dst shop>pay #1 2+200 DC/-",
        &["shop>pay caller_gave_up timed_out/caller_gave_up 1", "shop>pay response_late timed_out/ok 1"],
    );
}

#[test]
fn clocks_that_differ_are_learnt() {
    // The called side's clock is 5 s ahead; what came through bounds it, and then a late arrival is none.
    let clean: Vec<String> = (1..=4)
        .flat_map(|id| {
            let at = id * 100;
            [
                format!("{at} src shop>pay #{id} {at}+10 200"),
                format!("{at} dst shop>pay #{id} {}+8 200", at + 5_001),
            ]
        })
        .collect();
    let scenario = format!(
        "{}
         6000 src shop>pay #9 5000+200 UT/504
         6000 dst shop>pay #9 10001+202 DC/-",
        clean.join("\n")
    );
    let scene =
        check(&scenario, &["shop>pay agreed ok/ok 4", "shop>pay caller_gave_up timed_out/caller_gave_up 1"]);
    let (pairs, most_us) = scene.join.clock_skew();
    assert!(pairs == 1 && (4_999_000..=5_002_000).contains(&most_us), "{pairs} {most_us}");
}

#[test]
fn neither_the_first_tick_nor_a_pause_is_taken_for_the_end_of_the_window() {
    let mut scene = Scene::new(Settings::default());
    scene.tell(&super::Line::parse("src shop>pay #1 0+10 200"), 0);
    scene.join.tick(scene.now_us);
    scene.join.tick(scene.now_us + 250_000);
    assert_eq!(scene.join.open(), 1);
    // Deadlines wrap after two hours; after a pause of more than one everything is over its time.
    scene.join.tick(scene.now_us + 3 * 3_600_000_000);
    assert_eq!(scene.join.open(), 0);
}
