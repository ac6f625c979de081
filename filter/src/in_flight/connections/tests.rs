use super::{Closed, ConnectionTable, REFRESHES_MAX, TRACKED_MAX, since};
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

/// Steps in, what is told in between and at closes out: `0 open 1`, `5 look 1 a 10 20` (bytes so far), `6 tell`,
/// `7 close 1 15 20`.
#[track_caller]
fn check(steps: &str, expected: &str) {
    let mut table = ConnectionTable::default();
    let mut told = Vec::new();
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let number = |place: usize| words.get(place).map_or(0, |word| word.parse::<u64>().unwrap());
        let (now_us, context) = (number(0) * SECOND_US, number(2) as u32);
        match words[1] {
            "open" => table.open(context, now_us),
            "look" => {
                table.moved(context, &edge(words[3]), &stats(number(4), number(5)), now_us);
            }
            "http" => table.carries_http(context),
            "tell" => told.extend(table.deltas.take().into_iter().map(|row| {
                let (sent, received) = (row.request_bytes, row.response_bytes);
                format!("{}+{} {sent}/{received}", row.edge.service.host, row.opened)
            })),
            _ => told.push(match table.close(context) {
                Closed::Unknown => "unknown".to_owned(),
                Closed::CarriedHttp => "http".to_owned(),
                Closed::Tracked(known) => {
                    let (sent, received) = since(known.as_ref(), &stats(number(3), number(4)));
                    format!("{}closed {sent}/{received}", if known.is_some() { "continued " } else { "" })
                }
            }),
        }
    }
    assert_eq!(told.join(", "), expected);
}

#[test]
fn every_byte_is_told_once() {
    check("0 open 1, 3 close 1 7 9", "closed 7/9");
    check(
        "0 open 1, 5 look 1 a 10 20, 6 tell, 10 look 1 a 10 25, 11 tell, 12 close 1 15 25",
        "a+1 10/20, a+0 0/5, continued closed 5/0",
    );
    check("0 open 1, 5 look 1 a 10 20, 6 close 1 15 25, 6 tell", "continued closed 5/5, a+1 10/20");
}

#[test]
fn connections_of_one_edge_are_one_row_and_silence_is_none() {
    check(
        "0 open 1, 0 open 2, 0 open 3, 5 look 1 a 1 1, 5 look 3 b 0 0, 5 look 2 a 1 2, 6 tell, 10 look 1 a 1 1, 11 tell",
        "a+2 2/3, b+1 0/0",
    );
}

#[test]
fn what_carries_http_is_known_until_it_closes() {
    check("0 open 1, 5 http 1, 6 close 1, 7 close 1", "http, unknown");
    let mut table = ConnectionTable::default();
    table.open(1, 0);
    assert_eq!(table.count(), 1);
    table.carries_http(1);
    assert_eq!((table.count(), table.due_for_refresh(60 * SECOND_US, &config())), (0, vec![]));
}

#[test]
fn each_is_looked_at_in_turn() {
    let (mut table, config) = (ConnectionTable::default(), config());
    let all = u32::try_from(REFRESHES_MAX).unwrap() * 2 + 7;
    // The numbers of contexts begin anew.
    let first = u32::MAX - 20;
    (0..all).for_each(|at| table.open(first.wrapping_add(at), 0));
    assert!(table.due_for_refresh(4 * SECOND_US, &config).is_empty());
    let mut looked = Vec::new();
    for _ in 0..3 {
        let due = table.due_for_refresh(5 * SECOND_US, &config);
        assert!(due.len() <= REFRESHES_MAX);
        due.iter().for_each(|context| table.looked(*context, 5 * SECOND_US));
        looked.extend(due);
    }
    looked.sort_unstable();
    looked.dedup();
    assert_eq!(looked.len(), all as usize);
    assert!(table.due_for_refresh(6 * SECOND_US, &config).is_empty());
}

#[test]
fn everything_has_a_bound_and_nothing_is_told_twice() {
    let mut table = ConnectionTable::default();
    let all = u32::try_from(TRACKED_MAX).unwrap() + 10;
    (0..all).for_each(|context| table.open(context, 0));
    assert_eq!((table.count(), table.has_untracked()), (u64::from(all), true));
    assert_eq!(table.close(all - 1), Closed::Unknown);
    (0..10).for_each(|_| table.close_untracked());
    assert!(!table.has_untracked());

    let rows = u32::try_from(EDGES_MAX).unwrap();
    for context in 0..rows {
        assert!(table.moved(context, &edge(&context.to_string()), &stats(1, 1), SECOND_US));
    }
    assert!(!table.moved(rows, &edge("one more"), &stats(1, 1), SECOND_US));
    assert!(table.moved(rows + 1, &edge("0"), &stats(1, 1), SECOND_US));
    assert_eq!(table.deltas.take().len(), EDGES_MAX);
    assert_eq!(table.close(rows), Closed::Tracked(None), "it is told as a whole when it closes");
}
