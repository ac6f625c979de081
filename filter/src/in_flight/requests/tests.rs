use super::report::ROWS_MAX;
use super::{ENDED_MAX, InFlightSummary, RequestTable};
use crate::config::{Config, ProxyLocation};
use crate::in_flight::byte_deltas::EDGES_MAX;
use crate::record::{Edge, Reporter};
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

fn text(open: &[InFlightSummary]) -> String {
    let side = |open: &InFlightSummary| {
        let rows = open.long.iter().map(|row| {
            format!(" {}={}/{}s", row.edge.service.host, row.count, row.oldest_age_us / SECOND_US)
        });
        let (count, age_s, long) = (open.count, open.oldest_age_us / SECOND_US, open.long_count);
        format!("{:?} {count}/{age_s}s long {long}:{}", open.reporter, rows.collect::<String>())
    };
    open.iter().map(side).collect::<Vec<_>>().join("; ")
}

fn end(table: &mut RequestTable, context: u32, now_us: u64) {
    if table.end(context, now_us).is_none() {
        table.end_untracked();
    }
}

/// Steps in, what is told at the end out: `10 begin 3 out`, `11 end 3`, `17 tick` (seconds; every context goes to the
/// service that is named as its remainder by three), `17 tell`.
#[track_caller]
fn check(steps: &str, expected: &str) {
    let (mut table, config) = (RequestTable::default(), config());
    let mut told = String::new();
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let now_us = START_US + words[0].parse::<u64>().unwrap() * SECOND_US;
        let context = words.get(2).map_or(0, |context| context.parse().unwrap());
        match words[1] {
            "begin" => table.begin(context, if words.get(3) == Some(&"in") { INBOUND } else { OUTBOUND }),
            "end" => end(&mut table, context, now_us),
            "gone" => _ = table.forget(context),
            "due" => assert!(table.is_due(now_us, &config), "{step}"),
            "quiet" => assert!(!table.is_due(now_us, &config), "{step}"),
            "tell" => told = text(&table.tell(now_us, &config)),
            _ => {
                for context in table.due_for_refresh(now_us, &config) {
                    let edge = edge(Reporter::Source, ["a", "b", "c"][context as usize % 3]);
                    table.name(context, edge, None, (1, 2), now_us);
                }
            }
        }
    }
    assert_eq!(told, expected);
}

#[test]
fn what_does_not_end_is_told_with_its_destination_and_told_again() {
    check(
        "0 tick, 0 begin 3, 1 begin 4, 2 tick, 2 quiet, 5 tick, 5 due, 5 tell, 6 tick, 9 quiet, 10 due, 10 tell",
        "Source 2/10s long 2: a=1/10s b=1/10s",
    );
    check("0 tick, 0 begin 3, 6 tick, 6 tell, 7 end 3, 12 tick, 12 quiet, 12 tell", "");
    check("0 tick, 0 begin 3, 6 tick, 6 tell, 7 gone 3, 12 quiet, 12 tell", "");
}

#[test]
fn what_ends_in_time_is_only_counted() {
    check("0 tick, 0 begin 3, 1 end 3, 1 begin 6, 2 begin 9, 3 tick, 3 quiet, 3 tell", "");
    check("0 tick, 0 begin 3, 6 tick, 6 begin 6, 6 begin 9, 7 tell", "Source 3/7s long 1: a=1/7s");
}

#[test]
fn what_began_before_the_first_tick_is_dated_by_it() {
    check("0 begin 3, 1 tick, 5 quiet, 6 tick, 6 due, 6 tell", "Source 1/5s long 1: a=1/5s");
}

#[test]
fn the_numbers_of_contexts_begin_anew() {
    check(
        "0 tick, 0 begin 4294967294, 0 begin 4294967295, 0 begin 1, 1 end 4294967295, 6 tick, 6 tell",
        "Source 2/6s long 2: c=1/6s b=1/6s",
    );
    check("0 tick, 0 begin 7, 0 begin 9, 1 begin 8, 6 tick, 6 tell", "Source 2/6s long 2: a=1/6s c=1/6s");
}

#[test]
fn each_plugin_has_its_side() {
    let (mut table, config) = (RequestTable::default(), config());
    for context in 3..=5 {
        table.begin(context, INBOUND);
    }
    table.begin(6, OUTBOUND);
    assert_eq!(table.tell(START_US, &config), [], "nobody knows the sides yet");
    assert_eq!(table.end(3, START_US), Some(INBOUND));
    table.learn(INBOUND, Reporter::Destination);
    table.learn(OUTBOUND, Reporter::Source);
    let told = table.tell(START_US, &config);
    let told: Vec<_> = told.iter().map(|open| (open.reporter, open.count)).collect();
    assert_eq!(told, [(Reporter::Source, 1), (Reporter::Destination, 2)]);
}

#[test]
fn everything_has_a_bound_and_the_count_is_exact() {
    let (mut table, config) = (RequestTable::default(), config());
    table.due_for_refresh(START_US, &config);
    let all = 100_000;
    (1..=all).for_each(|context| table.begin(context, OUTBOUND));
    let now_us = START_US + 6 * SECOND_US;
    for _ in 0..40 {
        let looks = table.due_for_refresh(now_us, &config);
        assert!(looks.len() <= super::REFRESHES_MAX);
        for context in looks {
            table.name(context, edge(Reporter::Source, &context.to_string()), None, (0, 0), now_us);
        }
    }
    let told = table.tell(now_us, &config);
    assert_eq!((told[0].long.len(), table.named.len()), (ROWS_MAX, super::NAMED_MAX));
    assert_eq!(table.count(), u64::from(all));
    for context in (2..=all).rev() {
        end(&mut table, context, now_us);
    }
    assert_eq!((table.count(), table.named.len()), (1, 1));
    assert!(table.entries.len() <= 2 * ENDED_MAX + 2, "{}", table.entries.len());
}

#[test]
fn one_plugin_may_serve_both_sides() {
    let (mut table, config) = (RequestTable::default(), config());
    let now_us = START_US + 100 * SECOND_US;
    for (context, reporter) in [(3, Reporter::Destination), (4, Reporter::Source)] {
        table.begin(context, OUTBOUND);
        table.name(context, edge(reporter, "a"), Some(START_US), (0, 0), now_us);
    }
    // Nobody was asked about it yet.
    table.begin(5, OUTBOUND);
    let expected = "Source 1/100s long 1: a=1/100s; Destination 1/100s long 1: a=1/100s";
    assert_eq!(text(&table.tell(now_us, &config)), expected);
}

/// What Envoy says of requests that are open for long in, what is told of their bytes out: `6 look 3 10 20`, `7 tell`, `8 end
/// 3 10 25` (the last look and the end).
#[track_caller]
fn check_streams(steps: &str, expected: &str) {
    let mut table = RequestTable::default();
    let mut told = Vec::new();
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let number = |place: usize| words.get(place).map_or(0, |word| word.parse::<u64>().unwrap());
        let (now_us, context) = (START_US + number(0) * SECOND_US, number(2) as u32);
        let moved = (number(3), number(4));
        match words[1] {
            "begin" => table.begin(context, OUTBOUND),
            "look" => {
                let edge = edge(Reporter::Source, ["a", "b", "c"][context as usize % 3]);
                table.name(context, edge, None, moved, now_us);
            }
            "end" => {
                table.moved(context, moved);
                end(&mut table, context, now_us);
            }
            _ => told.extend(table.deltas.take().into_iter().map(|flow| {
                let (service, opened) = (&flow.edge.service.host, flow.opened);
                format!("{service}+{opened} {}/{}", flow.request_bytes, flow.response_bytes)
            })),
        }
    }
    assert_eq!(told.join(", "), expected);
}

#[test]
fn every_byte_of_a_stream_is_told_once() {
    check_streams(
        "0 begin 3, 0 begin 4, 0 begin 6, 6 look 3 10 20, 6 look 4 0 0, 6 look 6 1 0, 6 tell, 11 look 3 10 25, 11 tell, \
         12 end 3 11 30, 12 end 4 0 7, 12 tell",
        "a+2 11/20, a+0 0/5, a+0 1/5, b+1 0/7",
    );
    check_streams("0 begin 3, 1 end 3 5 5, 6 look 3 9 9, 6 tell", "");
}

#[test]
fn bytes_that_find_no_room_are_told_later() {
    let mut table = RequestTable::default();
    let all = u32::try_from(EDGES_MAX).unwrap() + 1;
    for context in 1..=all {
        table.begin(context, OUTBOUND);
        table.name(context, edge(Reporter::Source, &context.to_string()), None, (1, 2), START_US);
    }
    assert_eq!(table.deltas.take().len(), EDGES_MAX);
    table.moved(all, (3, 3));
    let late = table.deltas.take();
    assert_eq!(late.iter().map(|row| (row.opened, row.request_bytes)).collect::<Vec<_>>(), [(1, 3)]);
}
