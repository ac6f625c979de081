use super::{INSTANCE_WINDOWS, Instance, Refused, Settings, Tally, WINDOW_US, WINDOWS, Windows};
use crate::identity::EdgeId;
use proptest::prelude::*;

const SECOND_US: u64 = 1_000_000;
const EDGES: std::ops::Range<u32> = 0..4;

fn tally(requests: u64, failed: u64) -> Tally {
    Tally { requests, failed, duration_us_sum: 7 * requests, duration_us_max: 7 }
}

/// Requests of 7 µs each: `EDGE@INSTANCE=REQUESTS/FAILED`; edge `-` has no series. `.SECONDS` later; `|SECONDS` later, and the
/// room lets time pass; `!NUMBER`: that edge is no more.
fn told(windows: &mut Windows, now_us: &mut u64, story: &str) {
    let number = |text: &str| text.parse::<u64>().unwrap();
    for step in story.split_whitespace() {
        if let Some(seconds) = step.strip_prefix('.') {
            *now_us += number(seconds) * SECOND_US;
        } else if let Some(seconds) = step.strip_prefix('|') {
            *now_us += number(seconds) * SECOND_US;
            windows.expire(*now_us);
        } else if let Some(gone) = step.strip_prefix('!') {
            windows.retain(|edge| u64::from(edge.0) != number(gone));
        } else {
            let (edge, rest) = step.split_once('@').unwrap();
            let (instance, counts) = rest.split_once('=').unwrap();
            let (requests, failed) = counts.split_once('/').unwrap_or((counts, "0"));
            let edge = edge.parse().ok().map(EdgeId);
            windows.add(edge, instance, tally(number(requests), number(failed)), *now_us);
        }
    }
}

/// Per edge its windows as `START:REQUESTS/FAILED`, then its instances likewise, and what was refused.
fn shown(windows: &Windows, now_us: u64) -> String {
    let counts = |tally: &Tally| match tally.failed {
        0 => tally.requests.to_string(),
        failed => format!("{}/{failed}", tally.requests),
    };
    let mut lines: Vec<String> = windows
        .edges()
        .map(|edge| {
            let mut line = format!("{}", edge.0);
            for window in windows.of(edge, now_us) {
                line += &format!(" {}:{}", window.start_us / SECOND_US, counts(&window.tally));
            }
            for share in windows.instances(edge, now_us) {
                let name = match share.instance {
                    Instance::At(address) => address,
                    Instance::Others => "others",
                };
                line += &format!(" {name}={}", counts(&share.own));
            }
            line
        })
        .collect();
    for why in Refused::ALL.into_iter().filter(|why| windows.refused(*why) > 0) {
        lines.push(format!("{}={}", why.label(), windows.refused(why)));
    }
    lines.join("; ")
}

#[track_caller]
fn check(limits: Settings, story: &str, expected: &str) {
    let mut windows = Windows::new(limits);
    let mut now_us = 1_000 * SECOND_US;
    told(&mut windows, &mut now_us, story);
    assert_eq!(shown(&windows, now_us), expected);
}

#[test]
fn requests_are_in_the_window_in_which_they_came() {
    let limits = Settings::default;
    check(limits(), "", "");
    check(limits(), "0@a=3 .9 0@a=2/1 .1 0@a=1 .30 0@a=1/1", "0 1000:5/1 1010:1 1040:1/1 a=7/2");
    check(limits(), "0@a=3 2@b=1 -@a=9", "0 1000:3 a=3; 2 1000:1 b=1; overflow=9");
}

#[test]
fn one_instance_of_several_shows_and_only_for_a_minute() {
    let limits = Settings::default;
    let one_of_three = "0@a=5 0@b=5 0@c=5/5 .10 0@a=5 0@c=5/5";
    check(limits(), one_of_three, "0 1000:15/5 1010:10/5 a=10 b=5 c=10/10");
    check(limits(), &format!("{one_of_three} .50"), "0 1000:15/5 1010:10/5 a=5 c=5/5");
    check(limits(), &format!("{one_of_three} .60 0@=1"), "0 1000:15/5 1010:10/5 1070:1 =1");
}

#[test]
fn what_is_too_old_goes_and_so_do_idle_edges_and_those_that_are_no_more() {
    let limits = Settings::default;
    check(limits(), "0@a=5 .290 0@a=1", "0 1000:5 1290:1 a=1");
    check(limits(), "0@a=5 .100 0@a=2 .200 0@a=1", "0 1100:2 1300:1 a=1");
    check(limits(), "0@a=5 1@a=5 |290 1@a=1 |10", "1 1290:1 a=1");
    check(limits(), "0@a=5 1@a=5 !0", "1 1000:5 a=5");
}

#[test]
fn there_is_a_bound_of_instances_and_of_bytes() {
    let limits = Settings { edge_instances_max: 2, ..Settings::default() };
    check(limits.clone(), "0@a=1 0@b=1 0@c=1 0@d=2 0@a=1 1@d=1", "0 1000:6 a=2 b=1 others=3; 1 1000:1 d=1");
    check(limits, "0@a=1 0@b=1 .60 0@c=1", "0 1000:2 1060:1 c=1");
    check(Settings { bytes_max: 0, ..Settings::default() }, "0@a=7", "bytes=7");
    let long = "a".repeat(513);
    check(Settings::default(), &format!("0@{long}=7"), "0 1000:7 others=7");
    // Room for two cells.
    let limits = Settings { bytes_max: 64, ..Settings::default() };
    check(limits, "0@a=1 1@a=1 0@b=4 0@a=1 |300 0@b=1", "0 1300:1 b=1; bytes=4");
}

#[test]
fn now_is_compared_with_before_and_one_with_the_rest() {
    let mut windows = Windows::new(Settings::default());
    let mut now_us = 1_000 * SECOND_US;
    told(&mut windows, &mut now_us, "0@a=10 .60 0@a=10/1 0@b=30 .10 0@a=4/4 0@b=1");
    let (of_late, before) = windows.against_before(EdgeId(0), 2, now_us);
    assert_eq!((of_late, before), (tally(45, 5), tally(10, 0)));
    let shares = windows.instances(EdgeId(0), now_us);
    let [a, b] = shares.as_slice() else { panic!("{shares:?}") };
    assert_eq!((a.own, a.rest, b.own, b.rest), (tally(14, 5), tally(31, 0), tally(31, 0), tally(14, 5)));
    assert_eq!((b.own.failed_share(), b.own.duration_us_mean()), (Some(0.0), Some(7.0)));
    assert_eq!(Tally::default().failed_share(), None);
}

#[test]
fn a_busy_edge_takes_as_much_as_is_said() {
    for (instances, bytes) in [(1, 960), (5, 1_728)] {
        let mut windows = Windows::new(Settings::default());
        for at in 0..u64::from(3 * WINDOWS) {
            for instance in 0..instances {
                windows.add(Some(EdgeId(0)), &format!("{instance}"), tally(1, 0), at * WINDOW_US);
            }
        }
        assert_eq!(windows.cells.used_bytes(), bytes);
    }
}

proptest! {
    /// Whatever comes, and however time goes: the windows of an edge hold what was told of it within their reach, so do its
    /// instances within theirs, and all of it is either there or refused.
    #[test]
    fn nothing_is_lost_within_the_reach(
        steps in prop::collection::vec((EDGES, 0..5_u8, 1..9_u64, any::<bool>(), 0..40_u64, any::<bool>()), 1..200),
        edge_instances_max in 1..4_usize,
        cells_max in prop_oneof![Just(usize::MAX >> 6), 1..30_usize],
    ) {
        let mut windows = Windows::new(Settings { bytes_max: cells_max * 32, edge_instances_max });
        let mut all: Vec<(u32, u64, Tally)> = Vec::new();
        let mut refused = 0;
        let mut now_us = 0;
        for (edge, instance, requests, fails, later_s, expires) in steps {
            now_us += later_s * SECOND_US;
            if expires {
                windows.expire(now_us);
            }
            let tally = tally(requests, if fails { requests } else { 0 });
            windows.add(Some(EdgeId(edge)), &instance.to_string(), tally, now_us);
            let before = std::mem::replace(&mut refused, windows.refused(Refused::Bytes));
            if refused == before {
                all.push((edge, now_us / WINDOW_US, tally));
            } else {
                prop_assert_eq!(refused - before, requests);
            }
        }
        for edge in EDGES {
            let within = |count: u32| {
                let mut sum = Tally::default();
                let reach = |at: u64| now_us / WINDOW_US - at < u64::from(count);
                all.iter().filter(|it| it.0 == edge && reach(it.1)).for_each(|it| sum.add(it.2));
                sum
            };
            let (mut of_windows, mut of_instances) = (Tally::default(), Tally::default());
            windows.of(EdgeId(edge), now_us).iter().for_each(|it| of_windows.add(it.tally));
            let shares = windows.instances(EdgeId(edge), now_us);
            shares.iter().for_each(|it| of_instances.add(it.own));
            prop_assert_eq!((of_windows, of_instances), (within(WINDOWS), within(INSTANCE_WINDOWS)));
            prop_assert!(shares.len() <= edge_instances_max * 2 + 5, "others and what was crowded out of them");
        }
        windows.expire(now_us + 300 * SECOND_US);
        prop_assert_eq!((windows.edges().count(), windows.kept().0, windows.cells.used_bytes()), (0, 0, 0));
    }
}
