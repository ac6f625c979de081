//! A restart from a snapshot: the same records come to the same verdicts with the same ticks.

use super::{Report, START_US, Scenario};
use crate::join::{Join, Settings};
use crate::snapshot::bytes::collected;
use crate::snapshot::codec::{Reader, SnapshotState, Unreadable, Writer};
use proptest::prelude::*;

/// Returns the section of a join; equal states give equal bytes.
fn section(join: &Join) -> Vec<u8> {
    let bytes = collected(|sink| {
        let mut to = Writer::after(&[], sink).canonical();
        join.save(&mut to);
        to.end();
    });
    bytes[..bytes.len() - 4].to_vec()
}

fn restored(bytes: &[u8], limits: Settings) -> Result<Join, Unreadable> {
    let mut join = Join::new(limits);
    let mut from = Reader::new(bytes);
    join.restore(&mut from)?;
    assert!(from.is_empty());
    Ok(join)
}

/// Replaces the join by one that was restored from its snapshot.
fn restart(scenario: &mut Scenario, limits: Settings) {
    let bytes = section(&scenario.join);
    let join = restored(&bytes, limits).unwrap();
    assert_eq!(section(&join), bytes, "a restored join equals the written one");
    scenario.join = join;
}

const ENDINGS: [[&str; 2]; 6] =
    [["200", "200"], ["503", "UC/503"], ["UT/504", "DC/-"], ["UT/504", ""], ["UC/503", ""], ["", "200"]];

/// One call: caller, request id, start and duration in milliseconds, endings, delays of both reports.
type Call = (u8, u8, u16, u16, usize, u16, u16);

/// Sends the reports of calls in the order of their arrival; restarts before each of `restarts`.
fn run(calls: &[Call], restarts: &[usize], limits: &Settings) -> Scenario {
    let mut reports = Vec::new();
    for (caller, id, start, duration, endings, late_source, late_destination) in calls {
        let caller = ["a", "b", "?"][usize::from(*caller)];
        let [source, destination] = ENDINGS[*endings];
        let end = u64::from(*start) + u64::from(*duration) + 2;
        let sides = [("src", source, late_source, 0, 2), ("dst", destination, late_destination, 1, 0)];
        for (side, ending, late, after, longer) in
            sides.into_iter().filter(|(_, ending, ..)| !ending.is_empty())
        {
            let caller = if side == "src" && caller == "?" { "a" } else { caller };
            let text = format!("{side} {caller}>pay #{id} {}+{} {ending}", start + after, duration + longer);
            reports.push((end + u64::from(*late), Report::parse(&text)));
        }
    }
    reports.sort_by_key(|(at, _)| *at);
    let mut scenario = Scenario::new(limits.clone());
    ["a>pay", "b>pay"].into_iter().for_each(|edge| scenario.introduce(edge));
    for (index, (at_ms, report)) in reports.iter().enumerate() {
        scenario.until(START_US + at_ms * 1_000);
        if restarts.contains(&index) {
            restart(&mut scenario, limits.clone());
        }
        scenario.report(report, 0);
        scenario.assert_balanced();
    }
    scenario.until(scenario.now_us + 7_000_000);
    if !restarts.is_empty() {
        restart(&mut scenario, limits.clone());
    }
    scenario
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (0..3_u8, 1..9_u8, 0..20_000_u16, 1..900_u16, 0..ENDINGS.len(), 0..20_000_u16, 0..40_000_u16);
    proptest::collection::vec(call, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_changes_no_verdict_and_no_time(
        calls in calls(),
        restarts in proptest::collection::vec(0..100_usize, 1..4),
        (pending_max, edges_max) in (8..200_usize, 1..5_usize),
    ) {
        let limits = Settings { pending_max, edges_max, ..Settings::default() };
        let (before, after) = (run(&calls, &[], &limits), run(&calls, &restarts, &limits));
        prop_assert_eq!(section(&after.join), section(&before.join));
        prop_assert_eq!(after.verdicts(), before.verdicts());
    }

    /// Bytes that were changed are refused or read, and never cause a panic, also in further use.
    #[test]
    fn no_section_causes_a_panic(
        calls in calls(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut scenario = run(&calls, &[], &Settings::default());
        let mut bytes = section(&scenario.join);
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        let mut join = Join::new(Settings::default());
        if join.restore(&mut Reader::new(&bytes)).is_ok() {
            scenario.join = join;
            scenario.report(&Report::parse("src a>pay #1 0+10 200"), 0);
            scenario.until(scenario.now_us + 20_000_000);
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes =
        section(&run(&[(0, 1, 0, 10, 3, 0, 0), (1, 2, 0, 10, 0, 0, 9_000)], &[], &Settings::default()).join);
    for length in 0..bytes.len() {
        assert!(restored(&bytes[..length], Settings::default()).is_err(), "{length} bytes");
    }
}

#[test]
fn records_beyond_a_lower_limit_are_counted_as_evicted() {
    let mut scenario = Scenario::new(Settings { pending_max: 2_000, ..Settings::default() });
    for id in 1..=1_500 {
        scenario.report(&Report::parse(&format!("src shop>pay #{id} 0+10 200")), 0);
    }
    let lower = Settings { pending_max: 1_000, ..Settings::default() };
    scenario.join = restored(&section(&scenario.join), lower).unwrap();
    let (_, full) = scenario.join.stats().evicted().next().unwrap();
    assert!((1_000..1_500).contains(&scenario.join.pending()) && full > 0, "{full}");
    scenario.assert_balanced();
}

#[test]
fn a_pending_record_takes_33_bytes() {
    let mut scenario = Scenario::new(Settings::default());
    let empty = section(&scenario.join).len();
    for id in 1..=10_000 {
        scenario.report(&Report::parse(&format!("src shop>pay #{id} 0+10 200")), 0);
    }
    let bytes = section(&scenario.join).len() - empty;
    assert!((320_000..335_000).contains(&bytes), "{bytes}");
}
