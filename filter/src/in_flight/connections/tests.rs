use super::{ClosedConnection, ConnectionTable, REFRESHES_MAX, TRACKED_MAX, bytes_since};
use crate::config::{Config, ProxyLocation};
use crate::in_flight::byte_deltas::EDGES_MAX;
use crate::record::{Edge, RequestStats};
use std::rc::Rc;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECOND_US: u64 = 1_000_000;

fn config() -> Config {
    Config::parse(br#"{"collector": {"cluster": "c"}}"#, &ProxyLocation::default()).unwrap()
}

fn edge(service: &str) -> Rc<Edge> {
    let mut edge = Edge::default();
    edge.service.host = service.to_owned();
    Rc::new(edge)
}

fn stats(request_bytes: u64, response_bytes: u64) -> RequestStats {
    RequestStats { request_bytes, response_bytes, ..RequestStats::default() }
}

/// Runs steps (`0 open 1`, `5 refresh 1 a 10 20`, `6 report`, `7 close 1 15 20`; bytes so far) and
/// checks the reported deltas and closes.
#[track_caller]
fn check(steps: &str, expected: &str) {
    let mut table = ConnectionTable::default();
    let mut reported = Vec::new();
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let number = |index: usize| words.get(index).map_or(0, |word| word.parse::<u64>().unwrap());
        let (now_us, context) = (number(0) * SECOND_US, number(2) as u32);
        match words[1] {
            "open" => table.open(context, now_us),
            "refresh" => {
                table.update_bytes(context, &edge(words[3]), &stats(number(4), number(5)), now_us);
            }
            "http" => table.mark_http(context),
            "report" => reported.extend(table.deltas.drain().into_iter().map(|row| {
                let (sent, received) = (row.request_bytes, row.response_bytes);
                format!("{}+{} {sent}/{received}", row.edge.service.host, row.opened)
            })),
            _ => reported.push(match table.close(context) {
                ClosedConnection::Unknown => "unknown".to_owned(),
                ClosedConnection::CarriedHttp => "http".to_owned(),
                ClosedConnection::Tracked { reported: known, .. } => {
                    let (sent, received) = bytes_since(known.as_ref(), &stats(number(3), number(4)));
                    format!("{}closed {sent}/{received}", if known.is_some() { "continued " } else { "" })
                }
            }),
        }
    }
    assert_eq!(reported.join(", "), expected);
}

#[test]
fn every_byte_is_reported_once() {
    check("0 open 1, 3 close 1 7 9", "closed 7/9");
    check(
        "0 open 1, 5 refresh 1 a 10 20, 6 report, 10 refresh 1 a 10 25, 11 report, 12 close 1 15 25",
        "a+1 10/20, a+0 0/5, continued closed 5/0",
    );
    check("0 open 1, 5 refresh 1 a 10 20, 6 close 1 15 25, 6 report", "continued closed 5/5, a+1 10/20");
}

#[test]
fn connections_of_one_edge_share_a_row_and_idle_ones_have_none() {
    check(
        "0 open 1, 0 open 2, 0 open 3, 5 refresh 1 a 1 1, 5 refresh 3 b 0 0, 5 refresh 2 a 1 2, 6 report, 10 refresh 1 a 1 1, 11 report",
        "a+2 2/3, b+1 0/0",
    );
}

#[test]
fn a_connection_with_http_is_tracked_until_it_closes() {
    check("0 open 1, 5 http 1, 6 close 1, 7 close 1", "http, unknown");
    let mut table = ConnectionTable::default();
    table.open(1, 0);
    assert_eq!(table.count(), 1);
    table.mark_http(1);
    assert_eq!((table.count(), table.due_for_refresh(60 * SECOND_US, &config())), (0, vec![]));
}

#[test]
fn connections_are_refreshed_in_turn() {
    let (mut table, config) = (ConnectionTable::default(), config());
    let all = u32::try_from(REFRESHES_MAX).unwrap() * 2 + 7;
    // Context ids wrap around.
    let first = u32::MAX - 20;
    (0..all).for_each(|at| table.open(first.wrapping_add(at), 0));
    assert!(table.due_for_refresh(4 * SECOND_US, &config).is_empty());
    let mut refreshed = Vec::new();
    for _ in 0..3 {
        let due = table.due_for_refresh(5 * SECOND_US, &config);
        assert!(due.len() <= REFRESHES_MAX);
        due.iter().for_each(|context| table.mark_refreshed(*context, 5 * SECOND_US));
        refreshed.extend(due);
    }
    refreshed.sort_unstable();
    refreshed.dedup();
    assert_eq!(refreshed.len(), all as usize);
    assert!(table.due_for_refresh(6 * SECOND_US, &config).is_empty());
}

#[test]
fn the_table_is_bounded_and_nothing_is_reported_twice() {
    let mut table = ConnectionTable::default();
    let all = u32::try_from(TRACKED_MAX).unwrap() + 10;
    (0..all).for_each(|context| table.open(context, 0));
    assert_eq!((table.count(), table.has_untracked()), (u64::from(all), true));
    assert_eq!(table.close(all - 1), ClosedConnection::Unknown);
    (0..10).for_each(|_| table.close_untracked());
    assert!(!table.has_untracked());

    let rows = u32::try_from(EDGES_MAX).unwrap();
    for context in 0..rows {
        assert!(table.update_bytes(context, &edge(&context.to_string()), &stats(1, 1), SECOND_US));
    }
    assert!(!table.update_bytes(rows, &edge("one more"), &stats(1, 1), SECOND_US));
    assert!(table.update_bytes(rows + 1, &edge("0"), &stats(1, 1), SECOND_US));
    assert_eq!(table.deltas.drain().len(), EDGES_MAX);
    assert_eq!(
        table.close(rows),
        ClosedConnection::Tracked { opened_us: 0, reported: None },
        "it is reported as a whole when it closes"
    );
}
