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
fn a_step_of_the_clock_and_a_pause_resolve_no_record_early() {
    const MINUTE_US: i64 = 60_000_000;
    for step_us in [10 * MINUTE_US, -10 * MINUTE_US, 26 * 60 * MINUTE_US, -26 * 60 * MINUTE_US] {
        let mut scenario = Scenario::new(Settings::default());
        scenario.introduce("shop>pay");
        scenario.report(&super::Report::parse("src shop>pay #1 0+10 200"), 0);
        scenario.until(scenario.now_us + 2_000_000);
        scenario.now_us = scenario.now_us.saturating_add_signed(step_us);
        scenario.until(scenario.now_us + 12_000_000);
        assert_eq!(scenario.join.pending(), 1, "{step_us}");
        scenario.report(&super::Report::parse("src shop>pay #2 0+200 UT/504"), 0);
        scenario.until(scenario.now_us + 4_000_000);
        assert_eq!(scenario.join.pending(), usize::from(step_us.abs() < 60 * MINUTE_US), "{step_us}");
        assert_eq!(scenario.join.edges().count(), 3, "no edge is removed");
    }
}

#[test]
fn several_callers_of_one_service_may_share_a_request_id() {
    // The caller's report arrives 4.5 s after the destination's, and another caller's record of the
    // same id does not shorten the wait.
    check(
        "known a>pay
         known b>pay
         known c>pay
         1000 src a>pay #1 0+100 200
         1000 dst b>pay #1 11+80 200
         1100 dst c>pay #1 21+70 404
         5500 src b>pay #1 10+82 200
         5600 src c>pay #1 20+72 404
         5700 dst a>pay #1 1+98 200",
        &["a>pay agreed ok/ok 1", "b>pay agreed ok/ok 1", "c>pay agreed ok/ok 1"],
    );
}

#[test]
fn an_unknown_caller_does_not_shorten_the_wait() {
    check(
        "known a>pay
         known b>pay
         1000 src a>pay #1 0+100 404
         1000 dst ?>pay #1 11+80 200
         5500 src b>pay #1 10+82 200
         5700 dst ?>pay #1 1+98 404",
        &["a>pay agreed ok/ok 1", "b>pay agreed ok/ok 1"],
    );
    // The destination record of `a` pairs with `b`, whose interval it fits; that of `b` remains.
    check(
        "known a>pay
         known b>pay
         1000 src b>pay #1 0+900 200
         1000 dst ?>pay #1 5+890 200
         1100 dst b>pay #1 1+898 200
         1200 src a>pay #1 4+892 200",
        &["a>pay agreed ok/ok 1", "b>pay agreed ok/ok 1"],
    );
}

#[test]
fn destination_records_without_a_caller_are_interchangeable() {
    check(
        "known b>pay
         known c>pay
         99 src c>pay #1 95+4 503
         1497 src b>pay #1 1493+4 200
         6159 dst ?>pay #1 1126+266 503
         6181 dst ?>pay #1 2690+383 200
         9431 dst c>pay #1 96+1 503
         10338 src b>pay #1 1125+269 503
         10338 dst b>pay #1 1494+1 200
         10338 src c>pay #1 2689+386 200",
        &[
            "b>pay agreed error/error 1",
            "b>pay agreed ok/ok 1",
            "c>pay agreed error/error 1",
            "c>pay agreed ok/ok 1",
        ],
    );
}

#[test]
fn sequential_calls_of_one_caller_may_share_a_request_id() {
    // The pods of the destination report up to 5 s apart.
    check(
        "known a>pay
         1000 src a>pay #1 0+100 200
         1000 dst a>pay #1 501+80 404
         1100 src a>pay #1 500+82 404
         6000 dst a>pay #1 1+98 200",
        &["a>pay agreed ok/ok 2"],
    );
    check(
        "known a>pay
         1000 dst a>pay #1 501+80 503
         1000 src a>pay #1 0+100 200
         5100 src a>pay #1 500+82 503
         6000 dst a>pay #1 1+98 200",
        &["a>pay agreed error/error 1", "a>pay agreed ok/ok 1"],
    );
}

#[test]
fn a_complete_failed_hop_has_its_verdict_after_the_pairing_delay() {
    let mut scenario = Scenario::new(Settings::default());
    scenario.introduce("shop>pay");
    for (id, ending) in ["DC/-", "200"].into_iter().enumerate() {
        let id = id + 1;
        scenario.report(&super::Report::parse(&format!("src shop>pay #{id} 0+200 UT/504")), 0);
        scenario.report(&super::Report::parse(&format!("dst shop>pay #{id} 1+201 {ending}")), 0);
    }
    scenario.until(scenario.now_us + 5_000_000);
    assert_eq!(
        scenario.verdicts(),
        ["shop>pay caller_gave_up timed_out/caller_gave_up 1", "shop>pay response_late timed_out/ok 1"]
    );
}
