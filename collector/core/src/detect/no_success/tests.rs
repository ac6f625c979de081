use super::Settings;
use crate::aggregate::Aggregate;
use crate::detect::{self, Detect, Stages};
use crate::identity::{EdgeId, EdgeTable};
use crate::join::Join;
use crate::recent::in_flight::InFlightRequests;
use crate::recent::windows::{WINDOW_US, WindowStats, Windows};

const START_US: u64 = 100 * WINDOW_US;

/// Adds one window of an edge per word, `REQUESTS/FAILED` or `-` for none, and checks in the window
/// after the last word. Shows the findings.
#[track_caller]
fn check(enabled: bool, steps: &str, expected: &str) {
    let mut windows = Windows::new(Default::default());
    let mut now_us = START_US;
    for step in steps.split_whitespace() {
        if let Some((requests, failed)) = step.split_once('/') {
            let [requests, failed] = [requests, failed].map(|count| count.parse().unwrap());
            let stats = WindowStats { requests, failed, ..WindowStats::default() };
            windows.add(Some(EdgeId(3)), "", stats, now_us);
        }
        now_us += WINDOW_US;
    }
    let no_success = Settings { enabled, requests_min: 10 };
    let settings = detect::Settings { no_success, ..detect::Settings::default() };
    let mut detect = Detect::new(settings);
    let stages = Stages {
        edges: &EdgeTable::new(9),
        windows: &windows,
        aggregate: &Aggregate::new(Default::default()),
        join: &Join::new(Default::default()),
        in_flight: &InFlightRequests::default(),
    };
    detect.tick(stages, now_us);
    let shown = detect.findings().iter().map(|finding| {
        let window = (finding.onset_us - START_US) / WINDOW_US;
        format!("{} from window {window}, size {}: {}", finding.detector, finding.size, finding.evidence)
    });
    assert_eq!(shown.collect::<Vec<_>>().join("; "), expected);
}

#[test]
fn an_edge_that_lost_all_success_is_found() {
    let expected =
        "no_success from window 1, size 12: all 12 requests failed; before, 40 of 40 requests succeeded";
    check(true, "40/0 12/12", expected);
    let expected =
        "no_success from window 2, size 10: all 10 requests failed; before, 41 of 50 requests succeeded";
    check(true, "40/0 10/9 4/4 - 6/6", expected);
}

#[test]
fn an_edge_with_success_without_requests_or_without_a_past_is_not_found() {
    check(true, "", "");
    check(true, "40/0 12/11", "");
    check(true, "40/0 12/12 -", "");
    check(true, "12/12 12/12", "");
    check(true, "40/0 9/9", "");
    check(false, "40/0 12/12", "");
}
