use super::{Finding, Findings};
use crate::identity::EdgeId;

/// Applies steps: `+EDGE` reports a finding of an edge, `-EDGE` reports none, `|` ends a round,
/// `!EDGE` removes an edge. At most two findings.
#[track_caller]
fn check(steps: &str, expected: &str) {
    let mut findings = Findings::default();
    for step in steps.split_whitespace() {
        let (step, edge) = step.split_at(1);
        let subject = EdgeId(edge.parse().unwrap_or_default());
        let finding = || Finding { detector: "slow", subject, onset_us: 1, size: 2, evidence: String::new() };
        match step {
            "+" => findings.set("slow", subject, Some(finding()), 2),
            "-" => findings.set("slow", subject, None, 2),
            "|" => findings.end_round(),
            _ => findings.retain(|_, edge| edge != subject),
        }
    }
    let edges: Vec<String> = findings.iter().map(|finding| finding.subject.0.to_string()).collect();
    assert_eq!(findings.count("slow"), edges.len());
    assert_eq!(format!("{} dropped={}", edges.join(" "), findings.dropped()), expected);
}

#[test]
fn a_finding_ends_with_its_problem_or_its_edge() {
    check("+1 +2 +1", "1 2 dropped=0");
    check("+1 +2 -1", "2 dropped=0");
    check("+1 +2 !2", "1 dropped=0");
    check("+1 +2 | +2 |", "2 dropped=0");
}

#[test]
fn findings_are_bounded_and_the_rest_is_counted() {
    check("+1 +2 +3 +3", "1 2 dropped=2");
    check("+1 +2 +3 -1 +3", "2 3 dropped=1");
}
