//! Addresses as evidence over time, with reused addresses, several clusters and claims.

use super::super::{AddressBook, Settings};
use crate::batch::{Edge, Identity, Peer, Reporter};
use crate::settings::seconds_us;
use crate::snapshot::bytes::collected;
use crate::snapshot::codec::{Reader, SnapshotState, Writer};

/// Checks answers after steps, each at a second. `+a shop@v1 x c1 10.0.0.9`: proxy a introduces
/// itself with workload, version, service account, cluster and address; `=a`: it reports; `?c1
/// 10.0.0.9 x`: name of a caller with this address and certificate (`-` for none) by a proxy of
/// cluster c1; `!c1 10.0.0.9 x`: the same, and the caller is alive; `%a`: its liveness; `restart`: a
/// snapshot is restored. The time advances in steps of one second.
#[track_caller]
fn check(steps: &str, expected: &str) {
    let mut address_book = AddressBook::new(Settings::default());
    let mut answers = Vec::new();
    let mut now_s = 1_000;
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let until_s = 1_000 + words[0].parse::<u64>().unwrap();
        // While the collector is down, there are no ticks.
        if words[1] == "restart" {
            address_book = restored(&address_book);
            now_s = until_s;
        }
        for second in now_s..=until_s {
            address_book.expire(seconds_us(second));
        }
        now_s = until_s;
        let now_us = seconds_us(now_s);
        let (kind, name) = words[1].split_at(1);
        match kind {
            "+" => {
                let (workload, version) = words[2].split_once('@').unwrap();
                let identity = Identity {
                    workload: workload.into(),
                    version: version.into(),
                    namespace: "ns".into(),
                    service_account: words[3].into(),
                    cluster: words[4].into(),
                    addresses: vec![words[5].into()],
                    ..Identity::default()
                };
                assert!(address_book.introduce(&name.into(), identity, now_us));
                address_book.reports(&name.into(), now_us);
            }
            "=" => assert!(address_book.reports(&name.into(), now_us).is_some()),
            "%" => {
                let liveness = address_book.liveness(name, now_us);
                answers.push(liveness.map_or("gone", |liveness| liveness.label()).to_owned());
            }
            "?" | "!" => {
                answers.push(caller(&mut address_book, (kind == "!").then_some(now_us), &words, name));
            }
            _ => {}
        }
    }
    assert_eq!(answers.join(" "), expected);
}

fn caller(address_book: &mut AddressBook, alive_us: Option<u64>, words: &[&str], cluster: &str) -> String {
    let own = Identity { workload: "db".into(), cluster: cluster.into(), ..Identity::default() };
    let principal = match words[3] {
        "-" => String::new(),
        account if account.starts_with("spiffe:") => account.to_owned(),
        account => format!("spiffe://td/ns/ns/sa/{account}"),
    };
    let peer = Peer { address: words[2].into(), principal: principal.into(), ..Peer::default() };
    let edge = Edge { reporter: Reporter::Destination, peer, ..Edge::default() };
    if let Some(now_us) = alive_us
        && let Some(peer) = address_book.peer_proxy(&own, &edge).cloned()
    {
        address_book.note_alive(&peer, now_us);
    }
    let source = address_book.resolve_final(&own, &edge).source;
    format!("{}@{}", source.workload, source.version)
}

fn restored(address_book: &AddressBook) -> AddressBook {
    let saved = collected(|sink| {
        let mut to = Writer::after(&[], sink);
        address_book.save(&mut to);
        to.end();
    });
    let mut restored = AddressBook::new(Settings::default());
    restored.restore(&mut Reader::new(&saved)).unwrap();
    restored.rebuild();
    restored
}

#[test]
fn the_address_of_a_pod_that_has_ended_names_no_caller_and_the_pod_is_not_called_blind() {
    let ended = "0 +a shop@v1 x c1 10.0.0.9";
    check(&format!("{ended}, 40 ?c1 10.0.0.9 -, 46 ?c1 10.0.0.9 -"), "shop@v1 unknown@unknown");
    let calls = "600 !c1 10.0.0.9 -, 620 !c1 10.0.0.9 -, 640 !c1 10.0.0.9 -, 660 !c1 10.0.0.9 -";
    let unknown = "unknown@unknown unknown@unknown unknown@unknown unknown@unknown";
    check(&format!("{ended}, {calls}, 660 %a"), &format!("{unknown} idle"));
}

#[test]
fn a_filter_that_has_failed_in_a_pod_that_lives_is_found() {
    let plain = "0 +a shop@v1 x c1 10.0.0.9, 20 !c1 10.0.0.9 -, 40 !c1 10.0.0.9 -, 60 !c1 10.0.0.9 -, 60 %a";
    check(plain, "shop@v1 shop@v1 shop@v1 not_reporting");
    // With a certificate that agrees, also after a time without requests.
    let certified = "0 +a shop@v1 x c1 10.0.0.9, 600 !c1 10.0.0.9 x, 610 %a, 620 !c1 10.0.0.9 x, 620 %a";
    check(certified, "shop@v1 idle shop@v1 not_reporting");
    check(&format!("{certified}, 621 =a, 621 %a"), "shop@v1 idle shop@v1 not_reporting reporting");
    check("0 +a shop@v1 x c1 10.0.0.9, 600 ?c1 10.0.0.9 y, 600 %a", "unknown@unknown idle");
}

#[test]
fn a_new_pod_with_the_address_of_an_ended_one_is_named_once_it_reports() {
    let ended = "0 +a shop@v1 x c1 10.0.0.9";
    let new = "600 +b cart@v2 y c1 10.0.0.9, 601 !c1 10.0.0.9 -, 646 %a, 646 %b";
    check(&format!("{ended}, {new}"), "cart@v2 idle idle");
    // Calls of the new pod before its first report, with a certificate of the same account.
    let same = "600 !c1 10.0.0.9 x, 605 +b shop@v2 x c1 10.0.0.9, 606 !c1 10.0.0.9 x, 606 %a, 607 %b";
    check(&format!("{ended}, {same}"), "shop@v1 shop@v2 idle reporting");
}

#[test]
fn a_claim_waits_while_the_holder_of_the_address_reports() {
    let claim = "0 +a shop@v1 x c1 10.0.0.9, 10 +b evil@v1 y c1 10.0.0.9";
    // Until the holder reports again, the address alone names neither.
    check(&format!("{claim}, 11 ?c1 10.0.0.9 -, 11 ?c1 10.0.0.9 x"), "unknown@unknown shop@v1");
    check(&format!("{claim}, 12 =a, 13 ?c1 10.0.0.9 -, 13 ?c1 10.0.0.9 x"), "shop@v1 shop@v1");
    let days = "12 =a, 40 =a, 40 =b, 80 =a, 80 =b, 120 =a, 120 =b, 150 ?c1 10.0.0.9 -";
    check(&format!("{claim}, {days}"), "shop@v1");
    // The holder is silent, and the claimant reports.
    check(&format!("{claim}, 40 =b, 46 ?c1 10.0.0.9 -"), "evil@v1");
    check(&format!("{claim}, 46 ?c1 10.0.0.9 -, 60 ?c1 10.0.0.9 -"), "evil@v1 unknown@unknown");
    check(&format!("{claim}, 11 ?c1 10.0.0.9 y"), "evil@v1");
    // The holder introduces itself again, with other labels.
    check(&format!("{claim}, 12 +a shop@v2 x c1 10.0.0.9, 13 ?c1 10.0.0.9 -"), "shop@v2");
}

#[test]
fn an_address_changes_hands_at_once_within_one_account() {
    let replaced = "0 +a shop@v1 x c1 10.0.0.9, 10 +b shop@v2 x c1 10.0.0.9";
    check(&format!("{replaced}, 10 ?c1 10.0.0.9 -"), "shop@v2");
    check(&format!("{replaced}, 11 =a, 11 ?c1 10.0.0.9 x"), "shop@v2");
}

#[test]
fn two_clusters_with_one_pod_range_do_not_name_each_others_pods() {
    let both = "0 +a shop@v1 x c1 10.0.0.5, 1 +b cart@v2 y c2 10.0.0.5";
    check(&format!("{both}, 2 ?c1 10.0.0.5 -, 2 ?c2 10.0.0.5 -"), "shop@v1 cart@v2");
    // One of them falls silent, or is removed.
    check(&format!("{both}, 40 =a, 80 =a, 90 ?c1 10.0.0.5 -, 90 ?c2 10.0.0.5 -"), "shop@v1 unknown@unknown");
    let day = "40 =a, 86500 ?c1 10.0.0.5 -, 86500 +a shop@v3 x c1 10.0.0.5, 86501 ?c1 10.0.0.5 -";
    check(&format!("{both}, {day}"), "unknown@unknown shop@v3");
    // A pod without a filter has the address of a pod in another cluster.
    check("1 +b cart@v2 y c2 10.0.0.5, 2 ?c1 10.0.0.5 -, 2 ?c2 10.0.0.5 -", "unknown@unknown cart@v2");
    // In one network, a certificate that agrees names the pod of the other cluster.
    check("1 +b cart@v2 y c2 10.0.0.5, 2 ?c1 10.0.0.5 y", "cart@v2");
}

#[test]
fn a_restart_keeps_what_addresses_and_accounts_name() {
    let known = "0 +a shop@v1 x c1 10.0.0.9, 100 +b cart@v2 y c1 10.0.0.8";
    let asked = "?c1 10.0.0.9 -, 700 ?c1 10.0.0.8 -, 700 ?c1 - x, 740 ?c1 10.0.0.8 -, 746 ?c1 10.0.0.8 -";
    check(
        &format!("{known}, 700 restart, 700 {asked}"),
        "unknown@unknown cart@v2 shop@v1 cart@v2 unknown@unknown",
    );
}
