//! Properties of the join for arbitrary calls and orders of arrival.

use super::{Report, START_US, Scenario};
use crate::join::{Settings, Stats};
use proptest::prelude::*;

/// Cases of one call: the records of both sides, with times relative to its start.
const CASES: [&[&str]; 9] = [
    &["src +40 200", "dst 1+38 200"],
    &["src +40 503", "dst 1+38 503"],
    &["src +45 503", "dst 1+43 UC/503"],
    &["src +200 UT/504", "dst 1+50 200"],
    &["src +200 UT/504", "dst 1+202 DC/-"],
    &["src +200 UT/504"],
    &["src +20 UC/503"],
    &["src +90 200 x2", "dst 1+20 503 x1", "dst 30+50 200 x2"],
    &["src +50 UF,URX/503 x3"],
];

/// Returns the records of a call that begins `start` milliseconds after the start.
fn records(case: usize, id: u64, start: i64) -> Vec<Report> {
    let report = |text: &&str| {
        let (side, rest) = text.split_once(' ').unwrap();
        let (offset, rest) = rest.split_once('+').unwrap();
        let start = start + offset.parse::<i64>().unwrap_or(0);
        Report::parse(&format!("{side} shop>pay #{id} {start}+{rest}"))
    };
    CASES[case].iter().map(report).collect()
}

/// Sends all reports, 2 ms apart, and advances the time until all records are resolved.
fn run(reports: &[Report], limits: Settings) -> Scenario {
    let mut scenario = Scenario::new(limits);
    scenario.introduce("shop>pay");
    scenario.until(START_US + 10_000_000);
    for report in reports {
        scenario.until(scenario.now_us + 2_000);
        scenario.report(report, 0);
        scenario.assert_balanced();
    }
    scenario.until(scenario.now_us + 20_000_000);
    scenario.assert_balanced();
    assert_eq!(scenario.join.pending(), 0);
    scenario
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    // Calls with one id are sequential, and ids are independent.
    let call = (0..CASES.len(), 0..40_u64, 0..5_i64);
    proptest::collection::vec(call, 1..60).prop_map(|calls| {
        let mut seen = std::collections::HashSet::new();
        let calls = calls.into_iter().filter(|(_, id, turn)| seen.insert((*id, *turn)));
        calls.flat_map(|(case, id, turn)| records(case, id + 1, turn * 1_000)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_does_not_matter(mut reports in reports(), order in any::<u64>()) {
        let expected = run(&reports, Settings::default());
        // A permutation that proptest can shrink.
        let key = |at: usize| (at as u64 + 1).wrapping_mul(order | 1).rotate_left(32);
        let mut order_of_arrival: Vec<usize> = (0..reports.len()).collect();
        order_of_arrival.sort_by_key(|at| key(*at));
        reports = order_of_arrival.into_iter().map(|at| reports[at].clone()).collect();
        let shuffled = run(&reports, Settings::default());
        prop_assert_eq!(expected.verdicts(), shuffled.verdicts());
        // Confidence is not compared, since it depends on the other pending records.
        let results = |scenario: &Scenario| {
            let Stats { joined, alone, ambiguous, .. } = scenario.join.stats();
            [*joined, *alone, *ambiguous]
        };
        prop_assert_eq!(results(&expected), results(&shuffled));
    }

    /// Ten percent of the ids have two calls, some of them concurrent, in any order of arrival,
    /// with clocks a few milliseconds apart.
    #[test]
    fn without_faults_there_is_no_disagreement(
        calls in proptest::collection::vec((0..10_u8, 0..3_000_i64, 1..900_u64, -5..=5_i64), 1..80),
        order in any::<u64>(),
    ) {
        let mut reports = Vec::new();
        for (id, (twice, start, duration, ahead)) in (1..).zip(&calls) {
            let again = (*twice == 0).then_some((start + i64::from(duration % 7 != 0) * 2, duration / 2 + 1));
            for (start, duration) in [(*start, *duration)].into_iter().chain(again) {
                reports.push(Report::parse(&format!("src shop>pay #{id} {start}+{} 200", duration + 3)));
                reports.push(Report::parse(&format!("dst shop>pay #{id} {}+{duration} 200", start + 1 + ahead)));
            }
        }
        let mut order_of_arrival: Vec<usize> = (0..reports.len()).collect();
        order_of_arrival.sort_by_key(|at| (*at as u64 + 1).wrapping_mul(order | 1).rotate_left(32));
        let reports: Vec<Report> = order_of_arrival.into_iter().map(|at| reports[at].clone()).collect();
        let scenario = run(&reports, Settings::default());
        prop_assert_eq!(scenario.verdicts(), [format!("shop>pay agreed ok/ok {}", reports.len() / 2)]);
    }

    /// Several callers share few request ids, some callers are unknown to the destination's proxy,
    /// responses differ, and each record arrives at any time within the window.
    #[test]
    fn healthy_traffic_with_any_delay_has_no_disagreement(
        calls in proptest::collection::vec(
            (0..3_u8, 0..2_u8, 1..4_u8, 0..3_000_i64, 1..900_i64, 0..3_u8, 0..14_000_u64, 0..14_000_u64),
            1..30,
        ),
    ) {
        let mut reports = Vec::new();
        for (caller, hides, id, start, duration, code, late_source, late_destination) in calls {
            let (caller, code) = (["a", "b", "c"][usize::from(caller)], [200, 404, 503][usize::from(code)]);
            let named = if hides == 0 { caller } else { "?" };
            let end = u64::try_from(start + duration + 3).unwrap();
            let source = format!("src {caller}>pay #{id} {start}+{} {code}", duration + 3);
            let destination = format!("dst {named}>pay #{id} {}+{duration} {code}", start + 1);
            reports.push((end + late_source, Report::parse(&source)));
            reports.push((end + late_destination, Report::parse(&destination)));
        }
        reports.sort_by_key(|(at, _)| *at);
        let mut scenario = Scenario::new(Settings::default());
        ["a>pay", "b>pay", "c>pay"].into_iter().for_each(|edge| scenario.introduce(edge));
        for (at_ms, report) in &reports {
            scenario.until(START_US + at_ms * 1_000);
            scenario.report(report, 0);
            scenario.assert_balanced();
        }
        scenario.until(scenario.now_us + 20_000_000);
        prop_assert_eq!(scenario.join.pending(), 0);
        let disagreements: u64 = scenario.join.edges().map(|(_, hops)| hops.disagreements()).sum();
        prop_assert_eq!(disagreements, 0, "{:?}", scenario.verdicts());
    }

    /// For any calls and any capacity each record has one result, and outcomes add up to hops.
    #[test]
    fn every_record_has_one_result(
        calls in proptest::collection::vec((0..CASES.len(), 1..6_u64, 0..40_i64, 0..4_u8), 1..80),
        pending_max in 1..40_usize,
    ) {
        let reports: Vec<Report> = calls
            .iter()
            .flat_map(|(case, id, start, dropped)| {
                let records = records(*case, *id, *start);
                records.into_iter().enumerate().filter(|(at, _)| *at != usize::from(*dropped)).map(|(_, it)| it)
            })
            .collect();
        let scenario = run(&reports, Settings { pending_max, ..Settings::default() });
        let hops: u64 = scenario.join.edges().map(|(_, hops)| hops.hops()).sum();
        let stats = scenario.join.stats();
        prop_assert!(hops <= stats.joined + stats.alone + stats.ambiguous);
        prop_assert!(hops >= (stats.joined + stats.alone + stats.ambiguous) / 4);
    }
}
