use crate::aggregate::Key;
use crate::aggregate::connections::ConnectionSeries;
use crate::batch::{
    Batch, Edge, EpochId, Flow, Fold, FoldedDurations, Identity, Outcome, Peer, Protocol, Record, Reporter,
};
use crate::engine::{Answer, Engine, Settings};
use std::sync::Arc;

const SECOND_US: u64 = 1_000_000;
/// Outcomes: closed, failed, and both of connections that were reported as opened before.
const CLOSED: usize = 0;
const FAILED: usize = 1;
const CONTINUED: usize = 2;
const CONTINUED_AND_FAILED: usize = 3;

fn batch(caller: &str) -> Batch {
    let outcome = |response_flags| Outcome { response_flags, protocol: Protocol::Tcp, ..Outcome::default() };
    Batch {
        epoch_id: EpochId { proxy: "p".into(), epoch: 7 },
        edges: vec![Arc::new(Edge {
            reporter: Reporter::Destination,
            peer: Peer { address: caller.into(), ..Peer::default() },
            ..Edge::default()
        })]
        .into(),
        outcomes: vec![outcome(0), outcome(2), outcome(0), outcome(2)],
        connections: crate::batch::Connections {
            continued: vec![false, false, true, true],
            ..crate::batch::Connections::default()
        },
        ..Batch::example()
    }
}

/// A word per row: `3 closed 5 6` (outcome, bytes), `1 fold 7 5 6`, `open 2 5 6` (opened, bytes).
fn rows(batch: &mut Batch, rows: &str) {
    for row in rows.split(", ").filter(|row| !row.is_empty()) {
        let words: Vec<&str> = row.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        let connections = &mut batch.connections;
        if words[0] == "open" {
            let (opened, request_bytes, response_bytes) = (number(1), number(2), number(3));
            connections.open.push(Flow { edge: 0, opened, request_bytes, response_bytes });
        } else if words[1] == "fold" {
            let durations = FoldedDurations { zero_count: number(2), ..FoldedDurations::default() };
            connections.folds.push(Fold {
                outcome: number(0) as usize,
                count: number(2),
                durations,
                request_bytes_sum: number(3),
                response_bytes_sum: number(4),
                ..Fold::default()
            });
        } else {
            connections.closed.push(Record {
                outcome: number(0) as usize,
                request_bytes: number(2),
                response_bytes: number(3),
                ..Record::default()
            });
        }
    }
}

fn engine(limits: Settings) -> Engine {
    Engine::new(limits)
}

/// Lets proxy `store` report a batch; `sequence` is its number, from 1.
fn report(engine: &mut Engine, sequence: u64, namespace: &str, mut batch: Batch, now_us: u64) {
    batch.sequence = sequence;
    batch.epoch_id.proxy = format!("store.{namespace}").into();
    let namespace = namespace.into();
    batch.identity = Some(Identity { workload: "store".into(), namespace, ..Identity::default() });
    assert_eq!(engine.apply_batch(&batch, now_us), Answer::Accepted);
}

/// Returns `caller flags opened/closed received>sent` of all series.
fn text(engine: &Engine, connections: &ConnectionSeries) -> String {
    let mut lines: Vec<String> = connections
        .iter(engine.edges())
        .map(|(key, series)| {
            let (opened, closed) = (series.counts.opened, series.counts.closed());
            let (received, sent) = (series.counts.request_bytes, series.counts.response_bytes);
            let name = match key {
                Key::Edge(edge, outcome) => format!("{} {}", edge.source.workload, outcome.response_flags),
                Key::NamespaceOverflow(reporter, namespace) => {
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

fn tcp(engine: &Engine) -> String {
    text(engine, engine.connections())
}

fn from(caller: &str, rows_of: &str) -> Batch {
    let mut batch = batch(caller);
    rows(&mut batch, rows_of);
    batch
}

/// Checks the series after some batches.
#[track_caller]
fn check(batches: &[&str], expected: &str) {
    let mut engine = engine(Settings::default());
    for (sequence, rows_of) in (1..).zip(batches) {
        report(&mut engine, sequence, "", from("", rows_of), SECOND_US);
    }
    assert_eq!(tcp(&engine), expected);
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
fn bytes_of_streams_are_counted_apart_from_connections() {
    let mut engine = engine(Settings::default());
    for (sequence, opened, request_bytes, response_bytes) in [(1, 1, 5, 6), (2, 0, 1, 0)] {
        let mut batch = from("", "0 closed 3 4, open 2 10 20");
        batch.streams = vec![Flow { edge: 0, opened, request_bytes, response_bytes }];
        report(&mut engine, sequence, "", batch, SECOND_US);
    }
    assert_eq!(text(&engine, engine.streams()), "unknown 0 1/0 6>6");
}

#[test]
fn connections_are_pending_until_the_caller_reports_or_their_time_is_over() {
    let mut engine = engine(Settings::default());
    for sequence in [1, 2] {
        report(&mut engine, sequence, "", from("10.0.0.2", "0 closed 1 2, open 1 3 4"), SECOND_US);
    }
    assert_eq!(tcp(&engine), "");
    let mut shop = batch("");
    shop.epoch_id.proxy = "s".into();
    shop.identity =
        Some(Identity { workload: "shop".into(), addresses: vec!["10.0.0.2".into()], ..Identity::default() });
    engine.apply_batch(&shop, SECOND_US);
    assert_eq!(tcp(&engine), "shop 0 4/2 8>12");

    report(&mut engine, 3, "", from("10.9.9.9", "0 closed 1 2"), 2 * SECOND_US);
    engine.tick(3 * SECOND_US);
    assert_eq!(tcp(&engine), "shop 0 4/2 8>12");
    engine.tick(5 * SECOND_US);
    report(&mut engine, 4, "", from("10.9.9.9", "0 closed 1 2"), 6 * SECOND_US);
    engine.close(6 * SECOND_US);
    assert_eq!(tcp(&engine), "shop 0 4/2 8>12, unknown 0 2/2 2>4");
}

fn limits(series_max: usize, namespace_series_max: Option<usize>) -> Settings {
    let mut limits = Settings::default();
    limits.aggregate.series_max = series_max;
    limits.aggregate.namespace_series_max = namespace_series_max;
    limits.aggregate.idle_s_max = 10;
    limits
}

#[test]
fn series_are_bounded_and_expire() {
    let mut engine = engine(limits(1, None));
    report(&mut engine, 1, "", from("", "0 closed 1 2, 0 closed 1 2"), SECOND_US);
    report(&mut engine, 2, "", from("", "1 closed 1 2"), SECOND_US);
    assert_eq!(tcp(&engine), "overflow destination 1/1 1>2, unknown 0 2/2 2>4");
    report(&mut engine, 3, "", from("", "1 closed 1 2"), 3 * SECOND_US);
    let created = engine.connections().iter(engine.edges()).map(|(_, series)| series.created_us).max();
    assert_eq!(created, Some(SECOND_US), "a series is created once");
    engine.tick(12 * SECOND_US);
    assert_eq!(tcp(&engine), "overflow destination 2/2 2>4");
    assert_eq!((engine.connections().expired_closed(), engine.edges().len()), (2, 0));
}

#[test]
fn a_namespace_has_a_budget_of_its_own() {
    let mut engine = engine(limits(100, Some(1)));
    let series = [
        (1, "0 closed 1 2", "a"),
        (2, "1 closed 1 2", "a"),
        (1, "0 closed 1 2", "b"),
        (3, "1 closed 3 3", "a"),
    ];
    for (sequence, line, namespace) in series {
        report(&mut engine, sequence, namespace, from("", line), SECOND_US);
    }
    let all = "overflow destination of a 2/2 4>5, unknown 0 1/1 1>2, unknown 0 1/1 1>2";
    assert_eq!(tcp(&engine), all);
    // The budget is the same after a restart.
    let mut restored = Engine::new(limits(100, Some(1)));
    crate::engine::snapshot::decode(&crate::engine::snapshot::encode(&engine, 1), &mut restored).unwrap();
    let mut engine = restored;
    report(&mut engine, 2, "b", from("", "1 closed 1 1"), 2 * SECOND_US);
    assert_eq!(
        tcp(&engine),
        "overflow destination of a 2/2 4>5, overflow destination of b 1/1 1>1, \
         unknown 0 1/1 1>2, unknown 0 1/1 1>2"
    );
    engine.tick(60 * SECOND_US);
    report(&mut engine, 3, "b", from("", "1 closed 1 1"), 60 * SECOND_US);
    assert_eq!(
        tcp(&engine),
        "overflow destination of a 2/2 4>5, overflow destination of b 1/1 1>1, unknown 2 1/1 1>1"
    );
}
