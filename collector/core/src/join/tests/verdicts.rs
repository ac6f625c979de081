//! All verdicts, from the reports of Envoys under injected faults.

use super::{Scenario, check};
use crate::join::{Settings, Verdict};

#[test]
fn equal_reports_agree() {
    let scenario = check(
        "1000 src shop>pay #1 0+10 200
         1500 dst shop>pay #1 1+8 200
         1500 dst shop>pay #2 1+8 404
         1900 src shop>pay #2 0+10 404
         1900 src shop>pay #3 0+10 503
         1900 dst shop>pay #3 1+8 503",
        &["shop>pay agreed error/error 1", "shop>pay agreed ok/ok 2"],
    );
    let (_, hops) = scenario.join.edges().next().unwrap();
    assert_eq!((hops.gap().count(), hops.gap().histogram().max(), hops.gap_negative()), (3, 2_000, 0));
    assert_eq!((hops.hops(), hops.disagreements(), hops.count(Verdict::Agreed)), (3, 0, 3));
}

#[test]
fn a_failure_behind_the_destination_proxy_is_destination_failed() {
    // A crash or a keep-alive race (UC), a closed port (the destination retries itself), and an
    // invalid body.
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
fn a_delayed_response_is_response_late() {
    check(
        "1000 src shop>pay #1 0+200 UT/504
         1000 dst shop>pay #1 1+5 200",
        &["shop>pay response_late timed_out/ok 1"],
    );
}

#[test]
fn a_timeout_during_processing_is_caller_gave_up() {
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
fn a_downstream_disconnect_on_both_sides_agrees() {
    check(
        "1000 src shop>pay #1 0+20 DC/-
         1000 dst shop>pay #1 1+21 DR/-
         1000 src shop>pay #2 0+20 -
         1000 dst shop>pay #2 1+21 DC/-",
        &["shop>pay agreed caller_gave_up/caller_gave_up 1", "shop>pay agreed silent/caller_gave_up 1"],
    );
}

#[test]
fn a_request_without_destination_record_is_request_lost() {
    check(
        "known shop>pay
         1000 src shop>pay #1 0+200 UT/504",
        &["shop>pay request_lost timed_out/none 1"],
    );
}

#[test]
fn a_request_after_the_timeout_is_request_late() {
    // After one-way packet loss ends, TCP delivers the buffered request.
    check(
        "known shop>pay
         1000 src shop>pay #1 0+200 UT/504
         7500 dst shop>pay #1 7000+1 DR/-",
        &["shop>pay request_late timed_out/caller_gave_up 1"],
    );
}

#[test]
fn a_request_that_arrives_after_its_verdict_is_one_hop_and_a_correction() {
    // The caller gives up after 1 s; one-way loss lasts 20 s.
    let late = "known shop>pay
         1100 src shop>pay #1 0+1000 UT/504
         21100 dst shop>pay #1 21000+1 DR/-";
    let scenario = check(late, &["shop>pay request_lost timed_out/none 1"]);
    let stats = scenario.join.stats();
    let corrected: Vec<_> = stats.corrected().collect();
    assert_eq!(corrected, [(Verdict::RequestLost, Verdict::RequestLate, 1)]);
    assert_eq!((stats.late, stats.alone), (1, 1));
    // So is a report that was delayed for longer than the window.
    let scenario = check(
        "known shop>pay
         1000 src shop>pay #1 0+20 200
         30000 dst shop>pay #1 1+18 200",
        &["shop>pay telemetry_lost ok/none 1"],
    );
    let corrected: Vec<_> = scenario.join.stats().corrected().collect();
    assert_eq!(corrected.last(), Some(&(Verdict::TelemetryLost, Verdict::Agreed, 1)));
    // Another caller, another time, and a second record are hops of their own.
    check(
        "known shop>pay
         known cart>pay
         1100 src shop>pay #1 0+1000 UT/504
         21100 dst cart>pay #1 21000+1 DR/-
         21100 dst shop>pay #1 21000+1 DR/-
         21100 dst shop>pay #1 21000+1 DR/-
         1100 src shop>pay #2 0+1000 UT/504
         99000 dst shop>pay #2 98000+1 DR/-",
        &[
            "cart>pay caller_gave_up none/caller_gave_up 1",
            "shop>pay caller_gave_up none/caller_gave_up 2",
            "shop>pay request_lost timed_out/none 2",
        ],
    );
}

#[test]
fn the_number_of_correctable_hops_is_bounded() {
    let mut scenario = Scenario::new(Settings { pending_max: 48, ..Settings::default() });
    scenario.introduce("shop>pay");
    for id in 1..=5 {
        scenario.report(&super::Report::parse(&format!("src shop>pay #{id} 0+1000 UT/504")), 0);
    }
    scenario.until(scenario.now_us + 20_000_000);
    assert_eq!((scenario.join.counted.len(), scenario.join.counted.evicted()), (3, 2));
    scenario.until(scenario.now_us + 80_000_000);
    assert_eq!((scenario.join.counted.len(), scenario.join.counted.evicted()), (0, 2));
}

#[test]
fn the_destination_record_locates_a_connection_failure() {
    // Without a destination record the proxy was killed or requires mutual TLS. With one, only the
    // connection failed.
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
fn a_request_that_was_not_forwarded_is_counted_at_once() {
    let mut scenario = Scenario::new(Settings::default());
    for (id, ending) in ["UF/503", "UH/503", "UO/503", "NR/404 x0", "NC/503 x0", "403 x0"].iter().enumerate()
    {
        scenario.report(
            &super::Report::parse(&format!("src shop>pay #{id} 0+2 {ending}").replace("#0", "#9")),
            0,
        );
    }
    assert_eq!(
        (scenario.verdicts(), scenario.join.pending()),
        (vec!["shop>pay not_forwarded not_forwarded/none 6".to_owned()], 0)
    );
}

#[test]
fn a_successful_retry_joins_all_attempts() {
    let scenario = check(
        "1000 src shop>pay@v2 #1 0+90 200 x2
         1000 dst shop>pay #1 1+10 503 x1
         1000 dst shop>pay@v2 #1 30+50 200 x2
         1000 src shop>pay #2 0+230 200 x2
         1000 dst shop>pay #2 211+10 200 x2
         9000 dst shop>pay #2 1+8000 DC/- x1",
        &["shop>pay succeeded_after_retry ok/ok 1", "shop>pay@v2 succeeded_after_retry ok/ok 1"],
    );
    assert_eq!(scenario.join.stats().joined, 6);
}

#[test]
fn attempts_count_per_side() {
    // Three attempts give three destination records. Retries of the destination's proxy are not
    // attempts of the source.
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
fn unexplained_differences_are_contradictory() {
    check(
        "1000 src shop>pay #1 0+20 200
         1000 dst shop>pay #1 1+8 500",
        &["shop>pay contradictory ok/error 1"],
    );
}

#[test]
fn a_reporting_side_without_a_record_is_record_missing() {
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
fn known_loss_is_telemetry_lost() {
    check(
        "known shop>pay
         1000 fold dst shop>pay #1 1+8 200
         1000 src shop>pay #1 0+200 UT/504",
        &["shop>pay telemetry_lost timed_out/none 1"],
    );
    // The missing batch, which may contain the record, leaves a gap in the sequence.
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
    // A loss outside the match window explains nothing.
    check(
        "known shop>pay
         1000 fold dst shop>pay #1 1+8 200
         60000 src shop>pay #1 59000+200 UT/504",
        &["shop>pay request_lost timed_out/none 1"],
    );
}

#[test]
fn a_side_that_is_silent_since_then_is_telemetry_lost() {
    // The destination's proxy is killed with records unsent, and a request after that is cut.
    check(
        "known shop>pay
         1000 src shop>pay #1 500+20 200
         1100 src shop>pay #2 600+20 503
         3000 src shop>pay #3 2990+5 UC/503
         3000 src shop>pay #4 2790+200 UT/504",
        &[
            "shop>pay destination_down reset/none 1",
            "shop>pay request_lost timed_out/none 1",
            "shop>pay telemetry_lost error/none 1",
            "shop>pay telemetry_lost ok/none 1",
        ],
    );
    // The caller's proxy is silent.
    check(
        "known shop>pay
         1000 dst shop>pay #1 500+20 200",
        &["shop>pay telemetry_lost none/ok 1"],
    );
    // The pod comes back with another epoch, and the old one never reports again.
    check(
        "known shop>pay
         1000 src shop>pay #1 500+20 200
         4000 epoch pay
         4000 dst shop>pay #2 3900+9 200
         4000 src shop>pay #2 3899+11 200
         50000 dst shop>pay #3 49900+9 200
         50000 src shop>pay #3 49899+11 200
         50000 src shop>pay #4 49799+11 200",
        &[
            "shop>pay agreed ok/ok 2",
            "shop>pay record_missing ok/none 1",
            "shop>pay telemetry_lost ok/none 1",
        ],
    );
}

#[test]
fn a_side_that_never_reports_is_not_instrumented() {
    let text: Vec<String> = (1..=40)
        .flat_map(|id| {
            let at = id * 1_000;
            [
                format!("{at} src shop>bank #{id} {at}+10 200"),
                format!("{at} dst ?>gateway #{id} {at}+10 200 x0"),
                format!("{at} dst laptop>pay #{id} {at}+10 200 x0"),
            ]
        })
        .collect();
    let scenario = check(
        &text.join("\n"),
        &[
            "?>gateway peer_not_instrumented none/ok 40",
            "laptop>pay peer_not_instrumented none/ok 40",
            "shop>bank peer_not_instrumented ok/none 40",
        ],
    );
    // Afterwards such records are not pending, until the other side sends a report.
    let mut scenario = scenario;
    let report = |scenario: &mut Scenario, text: &str| scenario.report(&super::Report::parse(text), 0);
    let now = (scenario.now_us - super::START_US) / 1_000;
    report(&mut scenario, &format!("src shop>bank #101 {now}+10 200"));
    assert_eq!(scenario.join.pending(), 0);
    report(&mut scenario, &format!("dst shop>bank #102 {now}+8 200"));
    report(&mut scenario, &format!("src shop>bank #102 {now}+10 200"));
    assert_eq!(
        scenario.verdicts()[2..],
        ["shop>bank agreed ok/ok 1", "shop>bank peer_not_instrumented ok/none 41"]
    );
}
