use super::{ConnectionSeries, streams};
use crate::aggregate::{Key, Limits};
use crate::batch::{
    Batch, Edge, EpochId, Flow, Fold, FoldedDurations, Identity, Outcome, Peer, Protocol, Record, Reporter,
    Totals,
};
use crate::identity::{self, AddressBook, PendingLimits};
use std::sync::Arc;

const SECOND_US: u64 = 1_000_000;
/// Outcomes: closed, failed, and both of connections that were told before.
const CLOSED: usize = 0;
const FAILED: usize = 1;
const CONTINUED: usize = 2;
const CONTINUED_AND_FAILED: usize = 3;

fn batch(caller: &str) -> Batch {
    let outcome = |response_flags| Outcome { response_flags, protocol: Protocol::Tcp, ..Outcome::default() };
    Batch {
        epoch_id: EpochId { proxy: "p".into(), epoch: 7 },
        sequence: 1,
        identity: None,
        totals: Totals::default(),
        edges: vec![Arc::new(Edge {
            reporter: Reporter::Destination,
            peer: Peer { address: caller.into(), ..Peer::default() },
            ..Edge::default()
        })]
        .into(),
        attempt: 1,
        details: crate::batch::Details::default(),
        outcomes: vec![outcome(0), outcome(2), outcome(0), outcome(2)],
        records: Vec::new(),
        folds: Vec::new(),
        open: Vec::new(),
        messages: Vec::new(),
        streams: Vec::new(),
        connections: crate::batch::Connections {
            continued: vec![false, false, true, true],
            ..crate::batch::Connections::default()
        },
    }
}

/// A word per row: `3 closed 5 6` (outcome, bytes), `1 fold 7 5 6`, `open 2 5 6` (opened, bytes).
fn rows(batch: &mut Batch, rows: &str) {
    for row in rows.split(", ").filter(|row| !row.is_empty()) {
        let words: Vec<&str> = row.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().unwrap();
        let told = &mut batch.connections;
        if words[0] == "open" {
            let (opened, request_bytes, response_bytes) = (number(1), number(2), number(3));
            told.open.push(Flow { edge: 0, opened, request_bytes, response_bytes });
        } else if words[1] == "fold" {
            let durations = FoldedDurations { zero_count: number(2), ..FoldedDurations::default() };
            told.folds.push(Fold {
                outcome: number(0) as usize,
                count: number(2),
                durations,
                request_bytes_sum: number(3),
                response_bytes_sum: number(4),
                ..Fold::default()
            });
        } else {
            told.closed.push(Record {
                outcome: number(0) as usize,
                request_bytes: number(2),
                response_bytes: number(3),
                ..Record::default()
            });
        }
    }
}

fn own() -> Arc<Identity> {
    Arc::new(Identity { workload: "store".into(), ..Identity::default() })
}

fn book() -> AddressBook {
    AddressBook::new(identity::Limits::default())
}

/// `caller flags opened/closed received>sent` of all series.
fn text(connections: &ConnectionSeries) -> String {
    let mut lines: Vec<String> = connections
        .iter()
        .map(|(key, series)| {
            let (opened, closed) = (series.counts.opened, series.counts.closed());
            let (received, sent) = (series.counts.request_bytes, series.counts.response_bytes);
            let name = match key {
                Key::Edge(edge, outcome) => format!("{} {}", edge.source.workload, outcome.response_flags),
                Key::TenantOverflow(reporter, namespace) => {
                    format!("overflow {} of {namespace}", reporter.label())
                }
                Key::Overflow(reporter) => format!("overflow {}", reporter.label()),
            };
            format!("{name} {opened}/{closed} {received}>{sent}")
        })
        .collect();
    lines.sort();
    lines.join(", ")
}

/// Batches in, series out.
#[track_caller]
fn check(batches: &[&str], expected: &str) {
    let (mut connections, mut book) =
        (ConnectionSeries::new(Limits::default(), PendingLimits::default()), book());
    for rows_of in batches {
        let mut batch = batch("");
        rows(&mut batch, rows_of);
        connections.take(&batch, super::connections(&batch), &own(), &mut book, SECOND_US);
    }
    assert_eq!(text(&connections), expected);
}

#[test]
fn each_connection_is_opened_and_closed_once_and_each_byte_counts_once() {
    assert_eq!([CLOSED, FAILED, CONTINUED, CONTINUED_AND_FAILED], [0, 1, 2, 3]);
    check(&["0 closed 3 4, 0 closed 5 6, 0 fold 7 20 30"], "unknown 0 9/9 28>40");
    check(&["open 2 10 20", "open 0 1 2", "2 closed 5 6, 0 closed 1 1"], "unknown 0 3/2 17>29");
    check(&["open 2 0 0", "2 fold 2 5 6"], "unknown 0 2/2 5>6");
    check(&["open 1 10 0", "3 closed 0 1, 1 closed 2 2"], "unknown 0 1/0 10>0, unknown 2 1/2 2>3");
    check(&[""], "");
}

#[test]
fn what_streams_move_is_counted_apart_from_connections() {
    let (mut moved, mut book) = (ConnectionSeries::new(Limits::default(), PendingLimits::default()), book());
    let mut told = batch("");
    rows(&mut told, "0 closed 3 4, open 2 10 20");
    for (opened, request_bytes, response_bytes) in [(1, 5, 6), (0, 1, 0)] {
        told.streams = vec![Flow { edge: 0, opened, request_bytes, response_bytes }];
        moved.take(&told, streams(&told), &own(), &mut book, SECOND_US);
    }
    assert_eq!(text(&moved), "unknown 0 1/0 6>6");
}

#[test]
fn a_caller_that_introduces_itself_in_time_is_named() {
    let (mut connections, mut book) =
        (ConnectionSeries::new(Limits::default(), PendingLimits::default()), book());
    let mut told = batch("10.0.0.2");
    rows(&mut told, "0 closed 1 2, open 1 3 4");
    connections.take(&told, super::connections(&told), &own(), &mut book, SECOND_US);
    connections.take(&told, super::connections(&told), &own(), &mut book, SECOND_US);
    assert_eq!(text(&connections), "");
    let shop =
        Identity { workload: "shop".into(), addresses: vec!["10.0.0.2".into()], ..Identity::default() };
    book.introduce(&"s".into(), shop, SECOND_US);
    connections.settle(&mut book, SECOND_US);
    assert_eq!(text(&connections), "shop 0 4/2 8>12");

    let mut stranger = batch("10.9.9.9");
    rows(&mut stranger, "0 closed 1 2");
    connections.take(&stranger, super::connections(&stranger), &own(), &mut book, 2 * SECOND_US);
    connections.settle(&mut book, 3 * SECOND_US);
    assert_eq!(text(&connections), "shop 0 4/2 8>12");
    connections.settle(&mut book, 5 * SECOND_US);
    connections.take(&stranger, super::connections(&stranger), &own(), &mut book, 6 * SECOND_US);
    connections.close(&mut book, 6 * SECOND_US);
    assert_eq!(text(&connections), "shop 0 4/2 8>12, unknown 0 2/2 2>4");
}

#[test]
fn series_have_a_budget_and_an_end() {
    let limits = Limits { series_max: 1, idle_us_max: 10 * SECOND_US, ..Limits::default() };
    let (mut connections, mut book) = (ConnectionSeries::new(limits, PendingLimits::default()), book());
    let mut told = batch("");
    rows(&mut told, "0 closed 1 2, 0 closed 1 2");
    connections.take(&told, super::connections(&told), &own(), &mut book, SECOND_US);
    told.connections.closed.clear();
    rows(&mut told, "1 closed 1 2");
    connections.take(&told, super::connections(&told), &own(), &mut book, SECOND_US);
    assert_eq!(text(&connections), "overflow destination 1/1 1>2, unknown 0 2/2 2>4");
    connections.take(&told, super::connections(&told), &own(), &mut book, 3 * SECOND_US);
    let began = connections.iter().map(|(_, series)| series.created_us).max();
    assert_eq!(began, Some(SECOND_US), "a series begins once");
    connections.expire(12 * SECOND_US);
    assert_eq!(text(&connections), "overflow destination 2/2 2>4");
    assert_eq!(connections.expired_closed(), 2);
}

#[test]
fn a_namespace_has_a_budget_of_its_own() {
    let limits = Limits { namespace_series_max: Some(1), idle_us_max: 10 * SECOND_US, ..Limits::default() };
    let (mut connections, mut book) = (ConnectionSeries::new(limits, PendingLimits::default()), book());
    let mut take = |connections: &mut ConnectionSeries, line: &str, namespace: &str, now_us| {
        let mut told = batch("");
        rows(&mut told, line);
        let own = Arc::new(Identity { namespace: namespace.into(), ..Identity::default() });
        connections.take(&told, super::connections(&told), &own, &mut book, now_us);
    };
    for (line, namespace) in
        [("0 closed 1 2", "a"), ("1 closed 1 2", "a"), ("0 closed 1 2", "b"), ("1 closed 3 3", "a")]
    {
        take(&mut connections, line, namespace, SECOND_US);
    }
    let all = "overflow destination of a 2/2 4>5, unknown 0 1/1 1>2, unknown 0 1/1 1>2";
    assert_eq!(text(&connections), all);
    // The budget is known anew after a start.
    connections.tenants.clear();
    take(&mut connections, "1 closed 1 1", "b", 2 * SECOND_US);
    assert_eq!(
        text(&connections),
        format!(
            "overflow destination of a 2/2 4>5, overflow destination of b 1/1 1>1, {}",
            "unknown 0 1/1 1>2, unknown 0 1/1 1>2"
        )
    );
    connections.expire(60 * SECOND_US);
    take(&mut connections, "1 closed 1 1", "b", 60 * SECOND_US);
    assert_eq!(
        text(&connections),
        "overflow destination of a 2/2 4>5, overflow destination of b 1/1 1>1, unknown 2 1/1 1>1"
    );
}
