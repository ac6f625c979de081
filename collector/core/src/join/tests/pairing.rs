//! Pairing of records, and the time at which it is decided.

use super::{Scenario, check};
use crate::join::Settings;

#[test]
fn an_unknown_source_joins_by_its_record() {
    check(
        "1000 src shop>pay #1 0+10 200
         1000 dst ?>pay #1 1+8 200",
        &["shop>pay agreed ok/ok 1"],
    );
}

#[test]
fn one_request_id_joins_on_several_hops() {
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
    // The longer call's source arrives first, and the shorter call's destination before its source.
    let scenario = check(
        "1000 src shop>pay #1 0+100 200
         1001 dst shop>pay #1 21+38 200
         1002 src shop>pay #1 20+40 200
         1003 dst shop>pay #1 1+98 200",
        &["shop>pay agreed ok/ok 2"],
    );
    assert_eq!(scenario.join.stats().joined, 4);
}

#[test]
fn ambiguous_pairings_are_not_guessed() {
    let scenario = check(
        "1000 src shop>pay #1 0+200 UT/504
         1000 src shop>pay #1 1+200 UC/503
         1000 dst shop>pay #1 2+60 200
         1000 dst shop>pay #1 2+200 DC/-",
        &["shop>pay ambiguous reset/none 1", "shop>pay ambiguous timed_out/none 1"],
    );
    assert_eq!(scenario.join.stats().ambiguous, 4);
    check(
        "1000 src shop>pay #1 0+200 UT/504
         1000 src shop>pay #1 1+200 UT/504
         1000 dst shop>pay #1 2+60 200
         1000 dst shop>pay #1 2+200 DC/-",
        &["shop>pay caller_gave_up timed_out/caller_gave_up 1", "shop>pay response_late timed_out/ok 1"],
    );
}

#[test]
fn clock_skew_is_corrected() {
    // The destination's clock is 5 s ahead. Completed requests bound the skew, so the last one is
    // not late.
    let clean: Vec<String> = (1..=4)
        .flat_map(|id| {
            let at = id * 100;
            [
                format!("{at} src shop>pay #{id} {at}+10 200"),
                format!("{at} dst shop>pay #{id} {}+8 200", at + 5_001),
            ]
        })
        .collect();
    let text = format!(
        "{}
         6000 src shop>pay #9 5000+200 UT/504
         6000 dst shop>pay #9 10001+202 DC/-",
        clean.join("\n")
    );
    let scenario =
        check(&text, &["shop>pay agreed ok/ok 4", "shop>pay caller_gave_up timed_out/caller_gave_up 1"]);
    let (pairs, most_us) = scenario.join.clock_skew();
    assert!(pairs == 1 && (4_999_000..=5_002_000).contains(&most_us), "{pairs} {most_us}");
}

#[test]
fn first_tick_resolves_no_record_and_a_long_pause_resolves_all() {
    let mut scenario = Scenario::new(Settings::default());
    scenario.report(&super::Report::parse("src shop>pay #1 0+10 200"), 0);
    scenario.join.tick(scenario.now_us);
    scenario.join.tick(scenario.now_us + 250_000);
    assert_eq!(scenario.join.pending(), 1);
    // Deadlines wrap after two hours, so after a pause of more than one hour every record is due.
    scenario.join.tick(scenario.now_us + 3 * 3_600_000_000);
    assert_eq!(scenario.join.pending(), 0);
}
