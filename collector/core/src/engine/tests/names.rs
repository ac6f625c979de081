//! Tables of proxies and epochs, and the names of both ends of a call.

use super::{SECOND_US, batch, identity, series};
use crate::batch::{Edge, Identity, Peer, Reporter};
use crate::engine::{Answer, Engine, Settings};
use std::sync::Arc;

#[test]
fn a_batch_for_a_full_table_is_refused_while_all_proxies_of_its_account_report() {
    let mut limits = Settings::default();
    limits.identity.proxies_max = 1;
    let mut engine = Engine::new(limits);
    for sequence in [1, 2] {
        let reported = batch("p", sequence, Some(identity("pay", "1")), "");
        assert_eq!(engine.apply_batch(&reported, 1), Answer::Accepted);
    }
    let new = batch("q", 1, Some(identity("pay", "2")), "");
    assert_eq!(engine.apply_batch(&new, 1), Answer::Full("proxies"));
}

#[test]
fn pods_that_have_ended_give_their_places_to_new_ones_and_keep_their_counts() {
    let mut limits = Settings::default();
    limits.identity.proxies_max = 3;
    limits.ledger.epochs_max = 3;
    let mut engine = Engine::new(limits);
    for (number, proxy) in ["a", "b", "c"].into_iter().enumerate() {
        for sequence in [1, 2] {
            let reported = batch(proxy, sequence, Some(identity(proxy, "")), "");
            assert_eq!(engine.apply_batch(&reported, (number as u64 + 1) * SECOND_US), Answer::Accepted);
        }
    }
    let hour_us = 3_600 * SECOND_US;
    let new = batch("d", 1, Some(identity("d", "")), "");
    assert_eq!(engine.apply_batch(&new, hour_us), Answer::Accepted);
    let known = ["a", "b", "c", "d"].map(|proxy| engine.address_book.contains(&proxy.into()));
    assert_eq!((known, engine.ledger.open()), ([false, true, true, true], 3));
    let entries = engine.ledger.entries();
    assert_eq!(entries.values().map(|entry| entry.delivered).collect::<Vec<_>>(), [2, 2, 2, 1]);
    // The first proxy was only silent: its repeated batch changes nothing, and a new one counts.
    assert_eq!(engine.apply_batch(&batch("a", 2, None, ""), hour_us + 1), Answer::NeedIdentity);
    let repeated = batch("a", 2, Some(identity("a", "")), "");
    assert_eq!(engine.apply_batch(&repeated, hour_us + 2), Answer::Accepted);
    assert_eq!(
        engine.apply_batch(&batch("a", 3, Some(identity("a", "")), ""), hour_us + 3),
        Answer::Accepted
    );
    assert_eq!(engine.ledger.entries().values().map(|entry| entry.delivered).sum::<u64>(), 8);
    assert_eq!(series(&engine).split(", ").next(), Some("unknown -> a = 3"));
}

#[test]
fn both_sides_of_a_call_have_one_version_and_the_first_requests_one_series() {
    let mut engine = Engine::new(Settings::default());
    let labelled = |workload: &str, app: &str, address: &str| Identity {
        namespace: "shop".into(),
        app: app.into(),
        canonical_service: workload.into(),
        canonical_revision: "1.4.2".into(),
        ..identity(workload, address)
    };
    let endpoint = Peer {
        workload: "pay".into(),
        namespace: "shop".into(),
        canonical_service: "pay".into(),
        canonical_revision: "1.4.2".into(),
        address: "10.0.0.1".into(),
        ..Peer::default()
    };
    let to_pay = Edge { reporter: Reporter::Source, peer: endpoint, ..Edge::default() };
    for (sequence, introduces_pay) in [(1, false), (2, true), (3, false)] {
        if introduces_pay {
            let own = labelled("pay", "pay", "10.0.0.1");
            engine.apply_batch(&batch("p", 1, Some(own), "10.0.0.2"), 2 * SECOND_US);
        }
        let mut reported = batch("s", sequence, Some(labelled("shop", "shop", "10.0.0.2")), "");
        reported.edges = vec![Arc::new(to_pay.clone())].into();
        engine.apply_batch(&reported, sequence * SECOND_US);
    }
    let ends = engine.aggregate.iter(&engine.edges).filter_map(|(key, series)| match key {
        crate::aggregate::Key::Edge(edge, _) => {
            let (count, reporter) = (series.stats.count(), edge.reporter.label());
            let end = &edge.destination;
            Some(format!("{reporter}: {}@{} app {} = {count}", end.workload, end.version, end.app))
        }
        _ => None,
    });
    let mut ends: Vec<String> = ends.collect();
    ends.sort();
    assert_eq!(ends, ["destination: pay@1.4.2 app pay = 1", "source: pay@1.4.2 app pay = 3"]);
}
