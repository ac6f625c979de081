use super::{ENDED_MAX, RequestTable};
use crate::config::{Config, ProxyLocation};
use crate::in_flight::InFlightSummary;
use crate::in_flight::byte_deltas::EDGES_MAX;
use crate::in_flight::summary::ROWS_MAX;
use crate::record::{Edge, Now, Reporter};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECOND_US: u64 = 1_000_000;
const START_US: u64 = 1_000 * SECOND_US;
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

fn config() -> Config {
    Config::parse(br#"{"collector": {"cluster": "c"}}"#, &ProxyLocation::default()).unwrap()
}

fn edge(reporter: Reporter, service: &str) -> Edge {
    let mut edge = Edge { reporter, ..Edge::default() };
    edge.service.host = service.to_owned();
    edge
}

fn at(now_us: u64) -> Now {
    Now { wall_us: now_us, steady_us: now_us }
}

fn text(summaries: &[InFlightSummary]) -> String {
    let side = |summary: &InFlightSummary| {
        let rows = summary.long.iter().map(|row| {
            format!(" {}={}/{}s", row.edge.service.host, row.count, row.oldest_age_us / SECOND_US)
        });
        let (count, age_s, long) = (summary.count, summary.oldest_age_us / SECOND_US, summary.long_count);
        format!("{:?} {count}/{age_s}s long {long}:{}", summary.reporter, rows.collect::<String>())
    };
    summaries.iter().map(side).collect::<Vec<_>>().join("; ")
}

fn end(table: &mut RequestTable, context: u32, now_us: u64) {
    if table.end(context, now_us).is_none() {
        table.end_untracked();
    }
}

/// Runs steps (`10 begin 3 out`, `11 end 3`, `17 tick`, `17 report`; in seconds) and checks the
/// last report. The remainder of a context divided by three selects its service.
#[track_caller]
fn check(steps: &str, expected: &str) {
    let (mut table, config) = (RequestTable::default(), config());
    let mut reported = String::new();
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let now_us = START_US + words[0].parse::<u64>().unwrap() * SECOND_US;
        let context = words.get(2).map_or(0, |context| context.parse().unwrap());
        match words[1] {
            "begin" => table.begin(context, if words.get(3) == Some(&"in") { INBOUND } else { OUTBOUND }),
            "end" => end(&mut table, context, now_us),
            "remove" => _ = table.remove(context),
            "due" => assert!(table.is_due(now_us, &config), "{step}"),
            "quiet" => assert!(!table.is_due(now_us, &config), "{step}"),
            "report" => reported = text(&table.report(now_us, &config)),
            _ => {
                for context in table.due_for_refresh(now_us, &config) {
                    let edge = edge(Reporter::Source, ["a", "b", "c"][context as usize % 3]);
                    table.refresh(context, edge, None, (1, 2), at(now_us));
                }
            }
        }
    }
    assert_eq!(reported, expected);
}

#[test]
fn long_requests_are_reported_with_their_destination_and_repeated() {
    check(
        "0 tick, 0 begin 3, 1 begin 4, 2 tick, 2 quiet, 5 tick, 5 due, 5 report, 6 tick, 9 quiet, 10 due, 10 report",
        "Source 2/10s long 2: a=1/10s b=1/10s",
    );
    check("0 tick, 0 begin 3, 6 tick, 6 report, 7 end 3, 12 tick, 12 quiet, 12 report", "");
    check("0 tick, 0 begin 3, 6 tick, 6 report, 7 remove 3, 12 quiet, 12 report", "");
}

#[test]
fn short_requests_are_only_counted() {
    check("0 tick, 0 begin 3, 1 end 3, 1 begin 6, 2 begin 9, 3 tick, 3 quiet, 3 report", "");
    check("0 tick, 0 begin 3, 6 tick, 6 begin 6, 6 begin 9, 7 report", "Source 3/7s long 1: a=1/7s");
}

#[test]
fn requests_before_the_first_tick_start_with_it() {
    check("0 begin 3, 1 tick, 5 quiet, 6 tick, 6 due, 6 report", "Source 1/5s long 1: a=1/5s");
    check("0 begin 3, 0 begin 4, 1 end 4, 2 tick, 2 quiet, 6 tick, 6 report", "Source 1/5s long 1: a=1/5s");
}

#[test]
fn context_ids_wrap_around() {
    check(
        "0 tick, 0 begin 4294967294, 0 begin 4294967295, 0 begin 1, 1 end 4294967295, 6 tick, 6 report",
        "Source 2/6s long 2: c=1/6s b=1/6s",
    );
    check("0 tick, 0 begin 7, 0 begin 9, 1 begin 8, 6 tick, 6 report", "Source 2/6s long 2: a=1/6s c=1/6s");
}

#[test]
fn each_root_context_has_a_reporter() {
    let (mut table, config) = (RequestTable::default(), config());
    for context in 3..=5 {
        table.begin(context, INBOUND);
    }
    table.begin(6, OUTBOUND);
    assert_eq!(table.report(START_US, &config), [], "no reporter is known yet");
    assert_eq!(table.end(3, START_US), Some(INBOUND));
    table.set_reporter(INBOUND, Reporter::Destination);
    table.set_reporter(OUTBOUND, Reporter::Source);
    let summaries = table.report(START_US, &config);
    let counts: Vec<_> = summaries.iter().map(|it| (it.reporter, it.count)).collect();
    assert_eq!(counts, [(Reporter::Source, 1), (Reporter::Destination, 2)]);
}

#[test]
fn the_table_is_bounded_and_the_count_is_exact() {
    let (mut table, config) = (RequestTable::default(), config());
    table.due_for_refresh(START_US, &config);
    let all = 100_000;
    (1..=all).for_each(|context| table.begin(context, OUTBOUND));
    let now_us = START_US + 6 * SECOND_US;
    for _ in 0..40 {
        let due = table.due_for_refresh(now_us, &config);
        assert!(due.len() <= super::REFRESHES_MAX);
        for context in due {
            table.refresh(context, edge(Reporter::Source, &context.to_string()), None, (0, 0), at(now_us));
        }
    }
    let summaries = table.report(now_us, &config);
    assert_eq!((summaries[0].long.len(), table.resolved.len()), (ROWS_MAX, super::RESOLVED_MAX));
    assert_eq!(table.count(), u64::from(all));
    for context in (2..=all).rev() {
        end(&mut table, context, now_us);
    }
    assert_eq!((table.count(), table.resolved.len()), (1, 1));
    assert!(table.entries.len() <= 2 * ENDED_MAX + 2, "{}", table.entries.len());
}

#[test]
fn one_root_context_may_serve_both_sides() {
    let (mut table, config) = (RequestTable::default(), config());
    let now_us = START_US + 100 * SECOND_US;
    for (context, reporter) in [(3, Reporter::Destination), (4, Reporter::Source)] {
        table.begin(context, OUTBOUND);
        table.refresh(context, edge(reporter, "a"), Some(START_US), (0, 0), at(now_us));
    }
    // This request was not refreshed yet.
    table.begin(5, OUTBOUND);
    let expected = "Source 1/100s long 1: a=1/100s; Destination 1/100s long 1: a=1/100s";
    assert_eq!(text(&table.report(now_us, &config)), expected);
}

#[test]
fn a_start_in_envoy_before_a_step_of_the_clock_is_not_used() {
    let (mut table, config) = (RequestTable::default(), config());
    let hours_26_us = 26 * 3_600 * SECOND_US;
    for (start_us, wall_us, expected) in [
        (START_US + 500_000, START_US + 7 * SECOND_US, "Source 1/6s long 1: a=1/6s"),
        (START_US, START_US + hours_26_us, "Source 1/7s long 1: a=1/7s"),
        (START_US + hours_26_us, START_US + 7 * SECOND_US, "Source 1/7s long 1: a=1/7s"),
    ] {
        table.end(2, START_US);
        table.begin(3, OUTBOUND);
        let now = Now { wall_us, steady_us: START_US + 7 * SECOND_US };
        table.refresh(3, edge(Reporter::Source, "a"), Some(start_us), (0, 0), now);
        assert_eq!(text(&table.report(now.steady_us, &config)), expected);
        table.remove(3);
    }
}

/// Runs steps (`6 refresh 3 10 20`, `7 report`, `8 end 3 10 25`: context, request bytes, response
/// bytes) and checks the reported deltas.
#[track_caller]
fn check_streams(steps: &str, expected: &str) {
    let mut table = RequestTable::default();
    let mut reported = Vec::new();
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let number = |index: usize| words.get(index).map_or(0, |word| word.parse::<u64>().unwrap());
        let (now_us, context) = (START_US + number(0) * SECOND_US, number(2) as u32);
        let bytes = (number(3), number(4));
        match words[1] {
            "begin" => table.begin(context, OUTBOUND),
            "refresh" => {
                let edge = edge(Reporter::Source, ["a", "b", "c"][context as usize % 3]);
                table.refresh(context, edge, None, bytes, at(now_us));
            }
            "end" => {
                table.update_bytes(context, bytes);
                end(&mut table, context, now_us);
            }
            _ => reported.extend(table.deltas.drain().into_iter().map(|flow| {
                let (service, opened) = (&flow.edge.service.host, flow.opened);
                format!("{service}+{opened} {}/{}", flow.request_bytes, flow.response_bytes)
            })),
        }
    }
    assert_eq!(reported.join(", "), expected);
}

#[test]
fn every_byte_of_a_stream_is_reported_once() {
    check_streams(
        "0 begin 3, 0 begin 4, 0 begin 6, 6 refresh 3 10 20, 6 refresh 4 0 0, 6 refresh 6 1 0, 6 report, 11 refresh 3 10 25, 11 report, \
         12 end 3 11 30, 12 end 4 0 7, 12 report",
        "a+2 11/20, a+0 0/5, a+0 1/5, b+1 0/7",
    );
    check_streams("0 begin 3, 1 end 3 5 5, 6 refresh 3 9 9, 6 report", "");
}

#[test]
fn rejected_deltas_are_reported_later() {
    let mut table = RequestTable::default();
    let all = u32::try_from(EDGES_MAX).unwrap() + 1;
    for context in 1..=all {
        table.begin(context, OUTBOUND);
        table.refresh(context, edge(Reporter::Source, &context.to_string()), None, (1, 2), at(START_US));
    }
    assert_eq!(table.deltas.drain().len(), EDGES_MAX);
    table.update_bytes(all, (3, 3));
    let late = table.deltas.drain();
    assert_eq!(late.iter().map(|row| (row.opened, row.request_bytes)).collect::<Vec<_>>(), [(1, 3)]);
}
