//! Every verdict, from what real Envoys told of real faults.

use super::{Scene, check};
use crate::join::{Settings, Verdict};

#[test]
fn both_sides_tell_the_same() {
    let scene = check(
        "1000 src shop>pay #1 0+10 200
         1500 dst shop>pay #1 1+8 200
         1500 dst shop>pay #2 1+8 404
         1900 src shop>pay #2 0+10 404
         1900 src shop>pay #3 0+10 503
         1900 dst shop>pay #3 1+8 503",
        &["shop>pay agreed error/error 1", "shop>pay agreed ok/ok 2"],
    );
    let (_, book) = scene.join.edges().next().unwrap();
    assert_eq!((book.gap().count(), book.gap().histogram().max(), book.gap_negative()), (3, 2_000, 0));
    assert_eq!((book.hops(), book.disagreements(), book.count(Verdict::Agreed)), (3, 0, 3));
}

#[test]
fn the_destination_is_the_only_witness_of_what_lies_behind_it() {
    // A crash or a keep-alive race (UC), a closed port (the destination retries by itself), and a broken body.
    check(
        "1000 src shop>pay #1 0+10 503
         1000 dst shop>pay #1 1+8 UC/503
         1000 src shop>pay #2 0+50 503
         1000 dst shop>pay #2 1+45 URX,UF/503
         1000 src shop>pay #3 0+50 UPE/200
         1000 dst shop>pay #3 1+45 UPE/200",
        &[
            "shop>pay destination_failed error/not_forwarded 1",
            "shop>pay destination_failed error/reset 1",
            "shop>pay destination_failed reset/reset 1",
        ],
    );
}

#[test]
fn an_answer_held_up_on_the_wire_comes_too_late() {
    check(
        "1000 src shop>pay #1 0+200 UT/504
         1000 dst shop>pay #1 1+5 200",
        &["shop>pay response_late timed_out/ok 1"],
    );
}

#[test]
fn a_caller_gives_up_while_the_other_side_works() {
    check(
        "1000 src shop>pay #1 0+200 UT/504
         1000 dst shop>pay #1 1+202 DC/-
         1000 src shop>pay #2 0+200 UT/504
         1000 dst shop>pay #2 1+202 DR/-
         1000 src shop>pay #3 0+200 UT/200
         1000 dst shop>pay #3 1+202 DC/200
         1000 src shop>pay #4 0+900 504
         1000 dst shop>pay #4 1+902 DC/-",
        &[
            "shop>pay caller_gave_up error/caller_gave_up 1",
            "shop>pay caller_gave_up timed_out/caller_gave_up 3",
        ],
    );
}

#[test]
fn a_client_that_hangs_up_is_no_disagreement() {
    check(
        "1000 src shop>pay #1 0+20 DC/-
         1000 dst shop>pay #1 1+21 DR/-
         1000 src shop>pay #2 0+20 -
         1000 dst shop>pay #2 1+21 DC/-",
        &["shop>pay agreed caller_gave_up/caller_gave_up 1", "shop>pay agreed silent/caller_gave_up 1"],
    );
}

#[test]
fn what_never_arrives_is_lost_on_the_way_there() {
    check(
        "known shop>pay
         1000 src shop>pay #1 0+200 UT/504",
        &["shop>pay request_lost timed_out/none 1"],
    );
}

#[test]
fn what_arrives_after_the_caller_gave_up_is_too_late() {
    // After a one-way loss ends, TCP delivers what was stuck.
    check(
        "known shop>pay
         1000 src shop>pay #1 0+200 UT/504
         7500 dst shop>pay #1 7000+1 DR/-",
        &["shop>pay request_late timed_out/caller_gave_up 1"],
    );
}

#[test]
fn a_broken_connection_says_where_it_broke() {
    // No record of the called side: its proxy was killed, or wants mutual TLS. One: only the connection broke.
    check(
        "known shop>pay
         1000 src shop>pay #1 0+20 UC/503
         1000 src shop>pay #2 0+20 UC/503
         1000 dst shop>pay #2 1+8 200
         1000 src shop>pay #3 0+20 UC/503
         1000 dst shop>pay #3 1+8 -",
        &[
            "shop>pay connection_cut reset/silent 1",
            "shop>pay destination_down reset/none 1",
            "shop>pay response_lost reset/ok 1",
        ],
    );
}

#[test]
fn who_called_nobody_is_told_at_once() {
    let mut scene = Scene::new(Settings::default());
    for (id, ending) in ["UF/503", "UH/503", "UO/503", "NR/404 x0", "NC/503 x0", "403 x0"].iter().enumerate()
    {
        scene.tell(&super::Line::parse(&format!("src shop>pay #{id} 0+2 {ending}").replace("#0", "#9")), 0);
    }
    assert_eq!(
        (scene.told(), scene.join.open()),
        (vec!["shop>pay not_forwarded not_forwarded/none 6".to_owned()], 0)
    );
}

#[test]
fn a_retry_rescues_and_takes_the_earlier_attempts_with_it() {
    let scene = check(
        "1000 src shop>pay@v2 #1 0+90 200 x2
         1000 dst shop>pay #1 1+10 503 x1
         1000 dst shop>pay@v2 #1 30+50 200 x2
         1000 src shop>pay #2 0+230 200 x2
         1000 dst shop>pay #2 211+10 200 x2
         9000 dst shop>pay #2 1+8000 DC/- x1",
        &["shop>pay succeeded_after_retry ok/ok 1", "shop>pay@v2 succeeded_after_retry ok/ok 1"],
    );
    assert_eq!(scene.join.stats().joined, 6);
}

#[test]
fn attempts_of_both_sides_are_their_own() {
    // Three attempts, three records; the called side's own retries are none of the caller's.
    check(
        "1000 src shop>pay #1 0+90 URX/503 x3
         1000 dst shop>pay #1 1+10 503 x1
         1000 dst shop>pay #1 31+10 503 x2
         1000 dst shop>pay #1 61+10 503 x3
         1000 src shop>pay #2 0+90 UT,URX/504 x3
         1000 dst shop>pay #2 1+31 DC/- x1
         1000 dst shop>pay #2 31+31 DC/- x2
         1000 dst shop>pay #2 61+31 DC/- x3
         1000 src shop>pay #3 0+90 URX,UF/503 x2
         1000 dst shop>pay #3 1+31 UC/503 x1",
        &[
            "shop>pay agreed error/error 1",
            "shop>pay caller_gave_up timed_out/caller_gave_up 1",
            "shop>pay not_forwarded not_forwarded/none 1",
        ],
    );
}

#[test]
fn what_no_cause_explains_is_a_contradiction() {
    check(
        "1000 src shop>pay #1 0+20 200
         1000 dst shop>pay #1 1+8 500",
        &["shop>pay contradictory ok/error 1"],
    );
}

#[test]
fn a_side_that_tells_and_is_silent_this_time_misses_a_record() {
    check(
        "known shop>pay
         1000 src shop>pay #1 0+20 200
         1000 dst shop>pay #2 1+8 200
         1000 dst shop>pay #3 1+8 DC/-",
        &[
            "shop>pay caller_gave_up none/caller_gave_up 1",
            "shop>pay record_missing none/ok 1",
            "shop>pay record_missing ok/none 1",
        ],
    );
}

#[test]
fn what_is_known_to_be_lost_is_no_disagreement() {
    check(
        "known shop>pay
         1000 fold dst shop>pay #1 1+8 200
         1000 src shop>pay #1 0+200 UT/504",
        &["shop>pay telemetry_lost timed_out/none 1"],
    );
    // A batch that was overtaken and has not come: perhaps the record is in it.
    check(
        "known shop>pay
         900 dst shop>pay #2 1+8 200
         900 src shop>pay #2 0+9 200
         1000 lag pay
         1100 dst shop>pay #3 1+8 200
         1100 src shop>pay #3 0+9 200
         1200 src shop>pay #1 0+9 200",
        &["shop>pay agreed ok/ok 2", "shop>pay telemetry_lost ok/none 1"],
    );
    // Long ago is no excuse.
    check(
        "known shop>pay
         1000 fold dst shop>pay #1 1+8 200
         60000 src shop>pay #1 59000+200 UT/504",
        &["shop>pay request_lost timed_out/none 1"],
    );
}

#[test]
fn who_never_tells_is_one_sided_by_nature() {
    let scenario: Vec<String> = (1..=40)
        .flat_map(|id| {
            let at = id * 1_000;
            [
                format!("{at} src shop>bank #{id} {at}+10 200"),
                format!("{at} dst ?>gateway #{id} {at}+10 200 x0"),
                format!("{at} dst laptop>pay #{id} {at}+10 200 x0"),
            ]
        })
        .collect();
    let scene = check(
        &scenario.join("\n"),
        &[
            "?>gateway peer_not_instrumented none/ok 40",
            "laptop>pay peer_not_instrumented none/ok 40",
            "shop>bank peer_not_instrumented ok/none 40",
        ],
    );
    // Once learnt, such records do not wait, until the other side begins to tell.
    let mut scene = scene;
    let tell = |scene: &mut Scene, text: &str| scene.tell(&super::Line::parse(text), 0);
    let now = (scene.now_us - super::START_US) / 1_000;
    tell(&mut scene, &format!("src shop>bank #101 {now}+10 200"));
    assert_eq!(scene.join.open(), 0);
    tell(&mut scene, &format!("dst shop>bank #102 {now}+8 200"));
    tell(&mut scene, &format!("src shop>bank #102 {now}+10 200"));
    assert_eq!(scene.told()[2..], ["shop>bank agreed ok/ok 1", "shop>bank peer_not_instrumented ok/none 41"]);
}
