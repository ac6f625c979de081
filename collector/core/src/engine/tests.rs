mod names;

use super::{Answer, Engine, Settings};
use crate::batch::{Batch, EpochId, Record, Reporter, Totals};
use crate::batch::{Edge, Fold, FoldedDurations, Identity, Outcome, Peer};
use std::sync::Arc;

const SECOND_US: u64 = 1_000_000;

fn identity(workload: &str, address: &str) -> Identity {
    Identity { workload: workload.into(), addresses: vec![address.into()], ..Identity::default() }
}

/// A batch with one request that `proxy` received from `caller`.
fn batch(proxy: &str, sequence: u64, identity: Option<Identity>, caller: &str) -> Batch {
    Batch {
        epoch_id: EpochId { proxy: proxy.into(), epoch: 7 },
        sequence,
        identity,
        totals: Totals { seen: sequence, sent: sequence, ..Totals::default() },
        edges: vec![Arc::new(Edge {
            reporter: Reporter::Destination,
            peer: Peer { address: caller.into(), ..Peer::default() },
            ..Edge::default()
        })]
        .into(),
        outcomes: vec![Outcome { response_code: 200, ..Outcome::default() }],
        records: vec![Record::default()],
        ..Batch::example()
    }
}

/// Returns `caller -> called = requests` of all series.
fn series(engine: &Engine) -> String {
    let mut series: Vec<String> = engine
        .aggregate
        .iter(&engine.edges)
        .filter_map(|(key, series)| match key {
            crate::aggregate::Key::Edge(edge, _) => {
                let (source, destination) = (&edge.source.workload, &edge.destination.workload);
                Some(format!("{source} -> {destination} = {}", series.stats.count()))
            }
            _ => None,
        })
        .collect();
    series.sort();
    series.join(", ")
}

#[test]
fn a_batch_of_an_unknown_proxy_needs_an_identity_and_is_then_counted_once() {
    let mut engine = Engine::new(Settings::default());
    assert_eq!(engine.apply_batch(&batch("p", 1, None, ""), 1), Answer::NeedIdentity);
    assert_eq!(series(&engine), "");
    let introduced = batch("p", 1, Some(identity("pay", "10.0.0.1")), "");
    assert_eq!(engine.apply_batch(&introduced, 2), Answer::Accepted);
    assert_eq!(engine.apply_batch(&introduced, 3), Answer::Accepted);
    assert_eq!(series(&engine), "unknown -> pay = 1");
}

#[test]
fn a_caller_that_reports_in_time_is_resolved() {
    let mut engine = Engine::new(Settings::default());
    engine.apply_batch(&batch("p", 1, Some(identity("pay", "10.0.0.1")), "10.0.0.2"), SECOND_US);
    assert_eq!((series(&engine).as_str(), engine.pending.len()), ("", 1));
    engine.apply_batch(&batch("s", 1, Some(identity("shop", "10.0.0.2")), ""), 2 * SECOND_US);
    assert_eq!(series(&engine), "shop -> pay = 1, unknown -> shop = 1");
}

#[test]
fn requests_of_an_unknown_caller_are_pending_for_a_limited_time() {
    let mut engine = Engine::new(Settings::default());
    engine.apply_batch(&batch("p", 1, Some(identity("pay", "10.0.0.1")), "10.9.9.9"), SECOND_US);
    engine.apply_batch(&batch("p", 2, None, "10.9.9.9"), 2 * SECOND_US);
    engine.tick(2 * SECOND_US);
    assert_eq!((series(&engine).as_str(), engine.pending.len()), ("", 1));
    engine.tick(3 * SECOND_US);
    assert_eq!(series(&engine), "unknown -> pay = 2");
    engine.apply_batch(&batch("p", 3, None, "10.9.9.9"), 4 * SECOND_US);
    engine.close(4 * SECOND_US);
    assert_eq!(series(&engine), "unknown -> pay = 3");
}

/// Connections are not requests: they are in the ledger, but neither in the series of requests nor
/// in the join.
#[test]
fn connections_are_counted_apart() {
    let mut engine = Engine::new(Settings::default());
    let mut reported = batch("p", 1, Some(identity("pay", "10.0.0.1")), "");
    reported.connections.closed = std::mem::take(&mut reported.records);
    engine.apply_batch(&reported, SECOND_US);
    let closed: u64 = engine.connections.iter(&engine.edges).map(|(_, series)| series.counts.closed()).sum();
    assert_eq!((closed, series(&engine).as_str(), engine.join.pending()), (1, "", 0));
    assert_eq!(engine.join.stats().unjoinable().map(|(_, count)| count).sum::<u64>(), 0);
    let entries = engine.ledger.entries();
    assert_eq!(
        entries.values().map(|entry| (entry.delivered, entry.unaccounted())).collect::<Vec<_>>(),
        [(1, 0)]
    );
}

#[test]
fn both_sides_of_a_call_are_one_hop() {
    let mut engine = Engine::new(Settings::default());
    let report = |engine: &mut Engine, proxy: &str, reporter, own: Identity, peer: Peer| {
        let mut batch = batch(proxy, 1, Some(own), "");
        batch.edges = vec![Arc::new(Edge { reporter, peer, ..Edge::default() })].into();
        batch.records = vec![Record {
            start_us: SECOND_US,
            duration_us: 10_000,
            request_id_hash: 9,
            attempts: 1,
            ..Record::default()
        }];
        batch.folds = vec![Fold { count: 3, ..Fold::default() }];
        engine.apply_batch(&batch, 2 * SECOND_US);
    };
    let at = |address: &str| Peer { address: address.into(), ..Peer::default() };
    let (shop, pay) = (identity("shop", "10.0.0.2"), identity("pay", "10.0.0.1"));
    engine.tick(SECOND_US);
    // The source identifies the endpoint by its metadata, the destination its caller by the
    // address.
    let endpoint = Peer { workload: "pay".into(), ..at("10.0.0.1") };
    report(&mut engine, "s", Reporter::Source, shop, endpoint);
    assert_eq!(engine.join.pending(), 1);
    report(&mut engine, "p", Reporter::Destination, pay, at("10.0.0.2"));
    let hops: Vec<_> = engine
        .join
        .edges()
        .map(|(edge, address_book)| (edge.source.workload.to_string(), address_book.hops()))
        .collect();
    assert_eq!((hops.iter().map(|(_, hops)| hops).sum::<u64>(), engine.join.pending()), (1, 0));
    assert!(hops.contains(&("shop".to_owned(), 1)), "{hops:?}");
    assert_eq!(engine.join.stats().unjoinable().map(|(_, count)| count).sum::<u64>(), 6, "folded requests");
}

/// Returns the stored failures as `caller -> called outcome details id`.
fn failures(engine: &Engine) -> Vec<String> {
    let rows = engine.failures.after(0).map(|row| {
        let (source, destination) = (&row.edge.source.workload, &row.edge.destination.workload);
        let crate::recent::failures::FailedRecord { outcome, detail, request_id_hash, .. } = &row.failed;
        let code = outcome.response_code;
        format!("{source} -> {destination} {code} {} {request_id_hash}", detail.code_details)
    });
    rows.collect()
}

#[test]
fn the_last_failures_are_stored_with_their_details_when_their_edge_is_resolved() {
    let mut limits = Settings::default();
    limits.failures.edge_records_max = 2;
    let mut engine = Engine::new(limits);
    let mut reported = batch("p", 1, Some(identity("pay", "10.0.0.1")), "10.0.0.2");
    reported.outcomes.push(Outcome { response_code: 503, ..Outcome::default() });
    reported.details = crate::batch::Details::of([(1, ["overflow", ""])].into_iter());
    reported.records = [(0, 1), (1, 2), (1, 3), (1, 4)]
        .map(|(outcome, request_id_hash)| Record { outcome, request_id_hash, ..Record::default() })
        .to_vec();
    reported.folds = vec![Fold { outcome: 1, count: 5, ..Fold::default() }];
    engine.apply_batch(&reported, SECOND_US);
    assert_eq!(
        (failures(&engine).len(), engine.pending.failed_records()),
        (0, 2),
        "the caller is unknown yet"
    );
    engine.apply_batch(&batch("s", 1, Some(identity("shop", "10.0.0.2")), ""), 2 * SECOND_US);
    assert_eq!(failures(&engine), ["shop -> pay 503 overflow 3", "shop -> pay 503 overflow 4"]);
    let store = &engine.failures;
    assert_eq!((store.seen(), store.folded(), engine.pending.failed_records()), (3, 5, 0));
    // Failures of the next batch are stored at once; a closed connection with a flag is a failure.
    reported.sequence = 2;
    reported.identity = None;
    reported.outcomes[1].response_code = 0;
    reported.outcomes[1].response_flags = 2;
    reported.connections.closed = std::mem::take(&mut reported.records);
    engine.apply_batch(&reported, 3 * SECOND_US);
    assert_eq!(failures(&engine), ["shop -> pay 0 overflow 3", "shop -> pay 0 overflow 4"]);
}

/// Returns the last minute as `caller -> called by reporter: instance=requests/failed …`, and the
/// number of requests of all windows.
fn recent(engine: &Engine, now_us: u64) -> (Vec<String>, u64) {
    let (mut lines, mut sum) = (Vec::new(), 0);
    for edge in engine.windows.edges() {
        let name = engine.edges.get(edge).unwrap();
        let (source, destination) = (&name.source.workload, &name.destination.workload);
        let mut line = format!("{source} -> {destination} by {}:", name.reporter.label());
        for share in engine.windows.instances(edge, now_us) {
            let crate::recent::windows::Instance::At(address) = share.instance else { panic!("{share:?}") };
            line += &format!(" {address}={}/{}", share.own.requests, share.own.failed);
        }
        sum += engine.windows.of(edge, now_us).iter().map(|window| window.stats.requests).sum::<u64>();
        lines.push(line);
    }
    lines.sort();
    (lines, sum)
}

#[test]
fn the_windows_contain_all_counted_requests_by_called_instance() {
    let mut limits = Settings::default();
    limits.aggregate.idle_s_max = 60;
    let mut engine = Engine::new(limits);
    engine.tick(SECOND_US);
    engine.apply_batch(&batch("p", 1, Some(identity("pay", "10.0.0.1")), "10.0.0.2"), SECOND_US);
    assert_eq!(recent(&engine, SECOND_US), (vec![], 0), "the caller is not known yet");

    let to = |address: &str| {
        let peer = Peer { workload: "pay".into(), address: address.into(), ..Peer::default() };
        Arc::new(Edge { reporter: Reporter::Source, peer, ..Edge::default() })
    };
    let mut reported = batch("s", 1, Some(identity("shop", "10.0.0.2")), "");
    reported.edges = vec![to("10.0.0.1"), to("10.0.0.3")].into();
    reported.outcomes.push(Outcome { response_code: 503, ..Outcome::default() });
    reported.records = [(0, 0), (0, 0), (1, 0), (1, 1)]
        .map(|(edge, outcome)| Record { edge, outcome, ..Record::default() })
        .into();
    let durations = FoldedDurations { zero_count: 5, ..FoldedDurations::default() };
    reported.folds = vec![Fold { edge: 1, outcome: 1, count: 5, durations, ..Fold::default() }];
    engine.apply_batch(&reported, 2 * SECOND_US);
    // The destination reports again, now that its caller is known.
    engine.apply_batch(&batch("p", 2, None, "10.0.0.2"), 2 * SECOND_US);
    let expected =
        ["shop -> pay by destination: 10.0.0.1=2/0", "shop -> pay by source: 10.0.0.1=2/0 10.0.0.3=7/6"];
    let (lines, sum) = recent(&engine, 2 * SECOND_US);
    let counted: u64 = engine.aggregate.iter(&engine.edges).map(|(_, series)| series.stats.count()).sum();
    assert_eq!((lines, sum, counted), (expected.map(str::to_owned).to_vec(), 11, 11));

    // Both series expire before their windows do, and another edge may get the id of one of them.
    engine.tick(70 * SECOND_US);
    engine.apply_batch(&batch("q", 1, Some(identity("cart", "10.0.0.4")), ""), 70 * SECOND_US);
    assert_eq!(
        recent(&engine, 70 * SECOND_US),
        (vec!["unknown -> cart by destination: 10.0.0.4=1/0".to_owned()], 1)
    );
}

#[test]
fn an_edge_without_a_series_has_no_windows_and_is_counted() {
    let mut limits = Settings::default();
    limits.aggregate.series_max = 1;
    let mut engine = Engine::new(limits);
    engine.apply_batch(&batch("p", 1, Some(identity("pay", "10.0.0.1")), ""), SECOND_US);
    engine.apply_batch(&batch("q", 1, Some(identity("cart", "10.0.0.4")), ""), SECOND_US);
    let (_, sum) = recent(&engine, SECOND_US);
    assert_eq!((sum, engine.windows.refused(crate::recent::windows::Refused::Overflow)), (1, 1));
}

/// Checks the series after two sources and a destination reported requests in this order, and after
/// the join's window. `shop 7`, `cart 7`: a source reports request 7; `pay 7`: the destination
/// reports it, with a principal that both sources share; `pay 7 0`: without an attempt number.
#[track_caller]
fn check_callers(requests_max: usize, reported: &str, soon: &str, in_the_end: &str) {
    let mut settings = Settings::default();
    settings.identity.caller_inference_max = requests_max;
    let mut engine = Engine::new(settings.clone());
    let principal = "spiffe://cluster.local/ns/ns/sa/default";
    let mut now_us = 3_600 * SECOND_US;
    for (sequence, line) in reported.split(", ").enumerate() {
        let mut words = line.split(' ');
        let (who, hash) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let is_called = who == "pay";
        let mut reported = batch(who, sequence as u64 + 1, None, "");
        reported.identity = Some(Identity {
            namespace: "ns".into(),
            service_account: "default".into(),
            canonical_service: who.into(),
            ..identity(who, &format!("10.0.0.{who}"))
        });
        let peer = if is_called {
            Peer { principal: principal.into(), ..Peer::default() }
        } else {
            let pay = || "pay".into();
            Peer { workload: pay(), namespace: "ns".into(), canonical_service: pay(), ..Peer::default() }
        };
        let reporter = if is_called { Reporter::Destination } else { Reporter::Source };
        reported.edges = vec![Arc::new(Edge { reporter, peer, ..Edge::default() })].into();
        reported.records = vec![Record {
            start_us: now_us - 10_000 + u64::from(is_called),
            duration_us: if is_called { 900 } else { 1_000 },
            request_id_hash: hash,
            attempts: if words.next().is_some() { 0 } else { 1 },
            ..Record::default()
        }];
        reported.totals =
            Totals { seen: sequence as u64 + 1, sent: sequence as u64 + 1, ..Totals::default() };
        assert_eq!(engine.apply_batch(&reported, now_us), Answer::Accepted);
        now_us += 1_000;
    }
    assert_eq!(series(&engine), soon);
    let pending = engine.pending_callers.len();
    let file = super::snapshot::encode(&engine, 1);
    engine = Engine::new(settings);
    super::snapshot::decode(&file, &mut engine).unwrap();
    assert_eq!(engine.pending_callers.len(), pending, "a snapshot contains pending requests");
    for _ in 0..200 {
        now_us += SECOND_US / 10;
        engine.tick(now_us);
    }
    assert_eq!((series(&engine).as_str(), engine.pending_callers.len()), (in_the_end, 0));
}

#[test]
fn the_join_infers_a_caller_without_other_evidence() {
    let inferred = "shop -> pay = 1, shop -> pay = 1";
    check_callers(9, "shop 7, pay 7", inferred, inferred);
    check_callers(
        9,
        "cart 1, shop 1, pay 7, shop 7",
        "cart -> pay = 1, shop -> pay = 1, shop -> pay = 2",
        "cart -> pay = 1, shop -> pay = 1, shop -> pay = 2",
    );
}

/// The destination reports first, when it is the only known proxy of the account that all share.
#[test]
fn the_first_proxy_of_an_account_does_not_stand_for_all_of_it() {
    let inferred = "shop -> pay = 1, shop -> pay = 1";
    check_callers(9, "pay 7, shop 7", inferred, inferred);
}

#[test]
fn each_caller_has_as_many_requests_as_it_reported() {
    let twice = "cart -> pay = 1, cart -> pay = 1, shop -> pay = 1, shop -> pay = 1";
    check_callers(9, "cart 7, shop 7, pay 7, pay 7", twice, twice);
    let twice = "shop -> pay = 2, shop -> pay = 2";
    check_callers(9, "shop 7, shop 7, pay 7, pay 7", twice, twice);
}

#[test]
fn a_caller_that_cannot_be_inferred_is_counted_as_unknown_in_time() {
    let callers = "cart -> pay = 1, shop -> pay = 1";
    let all = "cart -> pay = 1, shop -> pay = 1, unknown -> pay = 1";
    check_callers(9, "cart 1, shop 1, pay 7", callers, all);
    check_callers(9, "cart 1, shop 1, pay 7 0", all, all);
    check_callers(0, "cart 1, shop 7, pay 7", all, all);
}

#[test]
fn a_delayed_duplicate_with_an_older_identity_changes_nothing() {
    let mut engine = Engine::new(Settings::default());
    let older = batch("p", 1, Some(identity("pay", "10.0.0.1")), "");
    assert_eq!(engine.apply_batch(&older, SECOND_US), Answer::Accepted);
    assert_eq!(
        engine.apply_batch(&batch("p", 2, Some(identity("pay", "10.0.0.9")), ""), 2 * SECOND_US),
        Answer::Accepted
    );
    let generation = engine.generation();
    assert_eq!(engine.apply_batch(&older, 3 * SECOND_US), Answer::Accepted);
    let (known, last_us) = engine.address_book.known("p").unwrap();
    assert_eq!((&*known.addresses[0], last_us, engine.generation()), ("10.0.0.9", 2 * SECOND_US, generation));
    assert_eq!(engine.ledger.entries().values().map(|entry| entry.duplicates).sum::<u64>(), 1);
    assert_eq!(series(&engine), "unknown -> pay = 2");
}
