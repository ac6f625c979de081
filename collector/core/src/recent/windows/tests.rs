use super::{INSTANCE_WINDOWS, Instance, Refused, Settings, WINDOW_US, WINDOWS, WindowStats, Windows};
use crate::identity::EdgeId;
use proptest::prelude::*;

const SECOND_US: u64 = 1_000_000;
const EDGES: std::ops::Range<u32> = 0..4;

fn stats(requests: u64, failed: u64) -> WindowStats {
    WindowStats { requests, failed, duration_us_sum: 7 * requests, duration_us_max: 7 }
}

/// Applies steps: `EDGE@INSTANCE=REQUESTS/FAILED` adds requests of 7 µs each, edge `-` has no
/// series; `.SECONDS` advances the time, `|SECONDS` also expires; `!NUMBER` removes an edge.
fn add_all(windows: &mut Windows, now_us: &mut u64, steps: &str) {
    let number = |text: &str| text.parse::<u64>().unwrap();
    for step in steps.split_whitespace() {
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
            windows.add(edge, instance, stats(number(requests), number(failed)), *now_us);
        }
    }
}

/// Shows per edge its windows as `START:REQUESTS/FAILED` and its instances, then the refused
/// requests.
fn shown(windows: &Windows, now_us: u64) -> String {
    let counts = |stats: &WindowStats| match stats.failed {
        0 => stats.requests.to_string(),
        failed => format!("{}/{failed}", stats.requests),
    };
    let mut lines: Vec<String> = windows
        .edges()
        .map(|edge| {
            let mut line = format!("{}", edge.0);
            for window in windows.of(edge, now_us) {
                line += &format!(" {}:{}", window.start_us / SECOND_US, counts(&window.stats));
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
fn check(limits: Settings, steps: &str, expected: &str) {
    let mut windows = Windows::new(limits);
    let mut now_us = 1_000 * SECOND_US;
    add_all(&mut windows, &mut now_us, steps);
    assert_eq!(shown(&windows, now_us), expected);
}

#[test]
fn requests_count_in_the_window_of_their_arrival() {
    let limits = Settings::default;
    check(limits(), "", "");
    check(limits(), "0@a=3 .9 0@a=2/1 .1 0@a=1 .30 0@a=1/1", "0 1000:5/1 1010:1 1040:1/1 a=7/2");
    check(limits(), "0@a=3 2@b=1 -@a=9", "0 1000:3 a=3; 2 1000:1 b=1; overflow=9");
}

#[test]
fn instances_are_distinguished_for_one_minute() {
    let limits = Settings::default;
    let one_of_three = "0@a=5 0@b=5 0@c=5/5 .10 0@a=5 0@c=5/5";
    check(limits(), one_of_three, "0 1000:15/5 1010:10/5 a=10 b=5 c=10/10");
    check(limits(), &format!("{one_of_three} .50"), "0 1000:15/5 1010:10/5 a=5 c=5/5");
    check(limits(), &format!("{one_of_three} .60 0@=1"), "0 1000:15/5 1010:10/5 1070:1 =1");
}

#[test]
fn old_windows_idle_edges_and_removed_edges_expire() {
    let limits = Settings::default;
    check(limits(), "0@a=5 .290 0@a=1", "0 1000:5 1290:1 a=1");
    check(limits(), "0@a=5 .100 0@a=2 .200 0@a=1", "0 1100:2 1300:1 a=1");
    check(limits(), "0@a=5 1@a=5 |290 1@a=1 |10", "1 1290:1 a=1");
    check(limits(), "0@a=5 1@a=5 !0", "1 1000:5 a=5");
}

#[test]
fn instances_and_bytes_are_bounded() {
    let limits = Settings { edge_instances_max: 2, ..Settings::default() };
    check(limits.clone(), "0@a=1 0@b=1 0@c=1 0@d=2 0@a=1 1@d=1", "0 1000:6 a=2 b=1 others=3; 1 1000:1 d=1");
    check(limits, "0@a=1 0@b=1 .60 0@c=1", "0 1000:2 1060:1 c=1");
    check(Settings { bytes_max: 0, ..Settings::default() }, "0@a=7", "bytes=7");
    let long = "a".repeat(513);
    check(Settings::default(), &format!("0@{long}=7"), "0 1000:7 others=7");
    // Memory for two cells.
    let limits = Settings { bytes_max: 64, ..Settings::default() };
    check(limits, "0@a=1 1@a=1 0@b=4 0@a=1 |300 0@b=1", "0 1300:1 b=1; bytes=4");
}

#[test]
fn recent_windows_and_single_instances_compare_with_the_rest() {
    let mut windows = Windows::new(Settings::default());
    let mut now_us = 1_000 * SECOND_US;
    add_all(&mut windows, &mut now_us, "0@a=10 .60 0@a=10/1 0@b=30 .10 0@a=4/4 0@b=1");
    let (latest, before) = windows.latest_and_before(EdgeId(0), 2, now_us);
    assert_eq!((latest, before), (stats(45, 5), stats(10, 0)));
    let shares = windows.instances(EdgeId(0), now_us);
    let [a, b] = shares.as_slice() else { panic!("{shares:?}") };
    assert_eq!((a.own, a.rest, b.own, b.rest), (stats(14, 5), stats(31, 0), stats(31, 0), stats(14, 5)));
    assert_eq!((b.own.failed_share(), b.own.duration_us_mean()), (Some(0.0), Some(7.0)));
    assert_eq!(WindowStats::default().failed_share(), None);
}

#[test]
fn a_busy_edge_takes_the_documented_bytes() {
    for (instances, bytes) in [(1, 960), (5, 1_728)] {
        let mut windows = Windows::new(Settings::default());
        for at in 0..u64::from(3 * WINDOWS) {
            for instance in 0..instances {
                windows.add(Some(EdgeId(0)), &format!("{instance}"), stats(1, 0), at * WINDOW_US);
            }
        }
        assert_eq!(windows.cells.used_bytes(), bytes);
    }
}

proptest! {
    /// For any requests and any time: the windows of an edge, and its instances, hold all requests
    /// within their span that were not refused.
    #[test]
    fn requests_are_stored_or_refused(
        steps in prop::collection::vec((EDGES, 0..5_u8, 1..9_u64, any::<bool>(), 0..40_u64, any::<bool>()), 1..200),
        edge_instances_max in 1..4_usize,
        cells_max in prop_oneof![Just(usize::MAX >> 6), 1..30_usize],
    ) {
        let mut windows = Windows::new(Settings { bytes_max: cells_max * 32, edge_instances_max });
        let mut all: Vec<(u32, u64, WindowStats)> = Vec::new();
        let mut refused = 0;
        let mut now_us = 0;
        for (edge, instance, requests, fails, later_s, expires) in steps {
            now_us += later_s * SECOND_US;
            if expires {
                windows.expire(now_us);
            }
            let stats = stats(requests, if fails { requests } else { 0 });
            windows.add(Some(EdgeId(edge)), &instance.to_string(), stats, now_us);
            let before = std::mem::replace(&mut refused, windows.refused(Refused::Bytes));
            if refused == before {
                all.push((edge, now_us / WINDOW_US, stats));
            } else {
                prop_assert_eq!(refused - before, requests);
            }
        }
        for edge in EDGES {
            let within = |count: u32| {
                let mut sum = WindowStats::default();
                let reach = |at: u64| now_us / WINDOW_US - at < u64::from(count);
                all.iter().filter(|it| it.0 == edge && reach(it.1)).for_each(|it| sum.add(it.2));
                sum
            };
            let (mut of_windows, mut of_instances) = (WindowStats::default(), WindowStats::default());
            windows.of(EdgeId(edge), now_us).iter().for_each(|it| of_windows.add(it.stats));
            let shares = windows.instances(EdgeId(edge), now_us);
            shares.iter().for_each(|it| of_instances.add(it.own));
            prop_assert_eq!((of_windows, of_instances), (within(WINDOWS), within(INSTANCE_WINDOWS)));
            prop_assert!(shares.len() <= edge_instances_max * 2 + 5, "others included");
        }
        windows.expire(now_us + 300 * SECOND_US);
        prop_assert_eq!((windows.edges().count(), windows.usage().0, windows.cells.used_bytes()), (0, 0, 0));
    }
}
