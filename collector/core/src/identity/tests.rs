mod addresses;
mod churn;
mod clients;

use super::{AddressBook, ResolvedEdge, Settings};
use crate::batch::{Edge, Evidence, Identity, Peer, Reporter, Service};
use crate::settings::seconds_us;

fn proxy(workload: &str, version: &str, account: &str, address: &str) -> Identity {
    Identity {
        workload: workload.into(),
        namespace: "shop".into(),
        app: workload.into(),
        version: version.into(),
        canonical_service: workload.into(),
        canonical_revision: version.into(),
        service_account: account.into(),
        cluster: "Kubernetes".into(),
        addresses: vec![address.into()],
        ..Identity::default()
    }
}

/// An address book with shop v1, and payments v1 and v2 with one service account, whose learning
/// time has ended.
fn address_book() -> AddressBook {
    let mut address_book = new_address_book();
    address_book.expire(seconds_us(Settings::default().account_learning_s) + 1);
    address_book
}

/// An address book with the same proxies, whose accounts are new.
fn new_address_book() -> AddressBook {
    let mut address_book = AddressBook::new(Settings { authorities_max: 1, ..Settings::default() });
    for (version, address) in [("v1", "10.0.0.4"), ("v2", "10.0.0.5")] {
        assert!(address_book.introduce(
            &format!("payments-{version}").into(),
            proxy("payments", version, "payments", address),
            1
        ));
    }
    assert!(address_book.introduce(&"shop-v1".into(), proxy("shop", "v1", "shop", "10.0.0.3"), 1));
    address_book
}

fn text(edge: &ResolvedEdge) -> String {
    let ResolvedEdge { source, destination, service, evidence, .. } = edge;
    format!(
        "{}@{} -> {}@{} for {} by {}",
        source.workload,
        source.version,
        destination.workload,
        destination.version,
        service.host,
        evidence.label()
    )
}

fn caller(address: &str, account: &str) -> Edge {
    let principal = if account.is_empty() {
        String::new()
    } else {
        format!("spiffe://cluster.local/ns/shop/sa/{account}")
    };
    Edge {
        reporter: Reporter::Destination,
        peer: Peer { address: address.into(), principal: principal.into(), ..Peer::default() },
        ..Edge::default()
    }
}

fn called(host: &str, evidence: Evidence, workload: &str) -> Edge {
    Edge {
        reporter: Reporter::Source,
        peer: Peer {
            workload: workload.into(),
            canonical_revision: if workload.is_empty() { "" } else { "v1" }.into(),
            ..Peer::default()
        },
        service: Service { host: host.into(), evidence, ..Service::default() },
        ..Edge::default()
    }
}

#[track_caller]
fn check(address_book: &mut AddressBook, edge: &Edge, expected: &str) {
    let own = match edge.reporter {
        Reporter::Destination => proxy("ledger-db", "v1", "ledger-db", "10.0.0.6"),
        _ => proxy("shop", "v1", "shop", "10.0.0.3"),
    };
    address_book.learn(edge, &own);
    let resolved = address_book.resolve(&own, edge);
    let suffix = if address_book.may_improve(edge, &resolved) { ", may improve" } else { "" };
    assert_eq!(format!("{}{suffix}", text(&resolved)), expected);
}

#[test]
fn a_caller_is_identified_by_the_strongest_evidence() {
    let mut address_book = address_book();
    check(&mut address_book, &caller("10.0.0.5", ""), "payments@v2 -> ledger-db@v1 for unknown by address");
    check(
        &mut address_book,
        &caller("10.0.0.5", "payments"),
        "payments@v2 -> ledger-db@v1 for unknown by address",
    );
    // Behind a forwarded-for header there is no address, and two versions share the account.
    check(
        &mut address_book,
        &caller("", "payments"),
        "payments@unknown -> ledger-db@v1 for unknown by certificate",
    );
    check(&mut address_book, &caller("", "shop"), "shop@v1 -> ledger-db@v1 for unknown by certificate");
    check(&mut address_book, &caller("", ""), "unknown@unknown -> ledger-db@v1 for unknown by none");
}

#[test]
fn an_address_that_the_certificate_contradicts_identifies_no_caller() {
    let mut address_book = address_book();
    check(
        &mut address_book,
        &caller("10.0.0.4", "shop"),
        "shop@v1 -> ledger-db@v1 for unknown by certificate",
    );
    check(
        &mut address_book,
        &caller("10.0.0.4", "other"),
        "unknown@unknown -> ledger-db@v1 for unknown by none, may improve",
    );
}

#[test]
fn a_certificate_of_a_new_account_identifies_no_caller() {
    let mut address_book = new_address_book();
    let unresolved = "unknown@unknown -> ledger-db@v1 for unknown by none, may improve";
    check(&mut address_book, &caller("", "shop"), unresolved);
    check(&mut address_book, &caller("10.0.0.4", "shop"), unresolved);
    check(&mut address_book, &caller("10.0.0.3", "shop"), "shop@v1 -> ledger-db@v1 for unknown by address");
    let own = proxy("ledger-db", "v1", "ledger-db", "10.0.0.6");
    let mut at_last = |workload: &str| text(&address_book.resolve_final(&own, &caller("", workload)));
    assert_eq!(at_last("shop"), "shop@v1 -> ledger-db@v1 for unknown by certificate");

    let generation = address_book.generation();
    address_book.expire(seconds_us(Settings::default().account_learning_s));
    assert_eq!(address_book.generation(), generation);
    address_book.expire(seconds_us(Settings::default().account_learning_s) + 1);
    assert!(address_book.generation() > generation);
    check(&mut address_book, &caller("", "shop"), "shop@v1 -> ledger-db@v1 for unknown by certificate");
}

#[test]
fn a_joined_caller_outranks_a_certificate_that_contradicts_its_labels() {
    let mut address_book = new_address_book();
    let own = proxy("ledger-db", "v1", "ledger-db", "10.0.0.6");
    assert!(address_book.introduce(&"gateway".into(), proxy("gateway", "v1", "", "10.0.0.2"), 1));
    let mut check = |account: &str, proxy: &str, expected: &str| {
        let resolved = address_book.resolve_with_caller(&own, &caller("", account), &proxy.into());
        assert_eq!(text(&resolved), expected);
    };
    check("shop", "shop-v1", "shop@v1 -> ledger-db@v1 for unknown by certificate");
    check("shop", "gateway", "gateway@v1 -> ledger-db@v1 for unknown by joined");
    check("shop", "payments-v1", "shop@v1 -> ledger-db@v1 for unknown by certificate");
    // A label that the certificate leaves unknown stays unknown, so that the edge is the same before
    // and after.
    check("payments", "payments-v2", "payments@unknown -> ledger-db@v1 for unknown by certificate");
    check("other", "gateway", "gateway@v1 -> ledger-db@v1 for unknown by joined");
}

#[test]
fn the_evidence_of_an_unknown_caller_may_improve() {
    let mut address_book = address_book();
    let edge = caller("10.0.0.2", "");
    check(&mut address_book, &edge, "unknown@unknown -> ledger-db@v1 for unknown by none, may improve");
    assert!(address_book.introduce(&"gateway".into(), proxy("gateway", "v1", "gateway", "10.0.0.2"), 2));
    check(&mut address_book, &edge, "gateway@v1 -> ledger-db@v1 for unknown by address");
    check(
        &mut address_book,
        &caller("", "nobody"),
        "unknown@unknown -> ledger-db@v1 for unknown by none, may improve",
    );
}

#[test]
fn requests_that_reach_no_endpoint_have_the_intended_destination() {
    let mut address_book = address_book();
    let host = "payments.shop.svc.cluster.local";
    let not_forwarded = called(host, Evidence::Cluster, "");
    check(
        &mut address_book,
        &not_forwarded,
        "shop@v1 -> payments@unknown for payments.shop.svc.cluster.local by service",
    );
    check(
        &mut address_book,
        &called(host, Evidence::Cluster, "payments-canary"),
        "shop@v1 -> payments-canary@v1 for payments.shop.svc.cluster.local by metadata",
    );
    check(
        &mut address_book,
        &not_forwarded,
        "shop@v1 -> payments-canary@unknown for payments.shop.svc.cluster.local by service",
    );
}

#[test]
fn a_subset_stands_for_the_version_behind_it() {
    let mut address_book = address_book();
    let mut not_forwarded = called("payments.shop.svc.cluster.local", Evidence::Cluster, "");
    not_forwarded.service.subset = "canary".into();
    let host = "payments.shop.svc.cluster.local";
    check(&mut address_book, &not_forwarded, &format!("shop@v1 -> payments@canary for {host} by service"));
    let mut reached = called(host, Evidence::Cluster, "payments");
    reached.service.subset = "canary".into();
    check(&mut address_book, &reached, &format!("shop@v1 -> payments@v1 for {host} by metadata"));
    check(&mut address_book, &not_forwarded, &format!("shop@v1 -> payments@v1 for {host} by service"));
}

#[test]
fn a_requested_authority_becomes_a_known_service_or_one_of_few() {
    let mut address_book = address_book();
    let host = "payments.shop.svc.cluster.local";
    check(
        &mut address_book,
        &called(host, Evidence::Cluster, "payments"),
        "shop@v1 -> payments@v1 for payments.shop.svc.cluster.local by metadata",
    );
    for asked in ["payments", "payments.shop", "payments.shop.svc", host] {
        check(
            &mut address_book,
            &called(asked, Evidence::Authority, ""),
            "shop@v1 -> payments@unknown for payments.shop.svc.cluster.local by authority",
        );
    }
    check(
        &mut address_book,
        &called("a.example", Evidence::Authority, ""),
        "shop@v1 -> a.example@unknown for a.example by authority",
    );
    check(
        &mut address_book,
        &called("b.example", Evidence::Authority, ""),
        "shop@v1 -> other@unknown for other by authority",
    );
    assert_eq!(address_book.authorities_rejected(), 1);
}

#[test]
fn one_service_has_one_name_however_its_host_is_written() {
    let mut address_book = address_book();
    let host = "payments.shop.svc.cluster.local";
    check(
        &mut address_book,
        &called(host, Evidence::Cluster, "payments"),
        &format!("shop@v1 -> payments@v1 for {host} by metadata"),
    );
    for asked in ["payments.shop.svc.cluster.local.", "Payments.Shop", "PAYMENTS.", "payments.shop.svc."] {
        check(
            &mut address_book,
            &called(asked, Evidence::Authority, ""),
            &format!("shop@v1 -> payments@unknown for {host} by authority"),
        );
    }
    check(
        &mut address_book,
        &called("Payments.shop.svc.cluster.local.", Evidence::Sni, ""),
        &format!("shop@v1 -> payments@unknown for {host} by service"),
    );
    for asked in ["a.example", "A.Example.", "a.example."] {
        check(
            &mut address_book,
            &called(asked, Evidence::Authority, ""),
            "shop@v1 -> a.example@unknown for a.example by authority",
        );
    }
    assert_eq!(address_book.authorities_rejected(), 0);
}

#[test]
fn a_workload_that_serves_no_more_leaves_the_other_as_the_only_one() {
    let mut address_book = address_book();
    let host = "payments.shop.svc.cluster.local";
    let day_us = seconds_us(86_400);
    let reached = |workload: &str| called(host, Evidence::Cluster, workload);
    let not_forwarded = called(host, Evidence::Cluster, "");
    for (at_us, workload, expected) in [
        (day_us, "payments", "payments"),
        (day_us + 1, "canary", "payments"),
        // The canary has ended; the other workload reports every quarter of a day.
        (day_us / 4 * 5, "payments", "payments"),
        (day_us / 4 * 7, "payments", "payments"),
        (day_us / 2 * 5, "payments", "payments"),
    ] {
        address_book.expire(at_us);
        address_book.reports(&"shop-v1".into(), at_us);
        let own = proxy("shop", "v1", "shop", "10.0.0.3");
        address_book.learn(&reached(workload), &own);
        assert_eq!(&*address_book.resolve(&own, &not_forwarded).destination.workload, expected);
    }
}

#[test]
fn an_address_is_removed_with_its_proxy() {
    let mut address_book = address_book();
    assert!(address_book.introduce(&"new".into(), proxy("cart", "v7", "cart", "10.0.0.9"), 5));
    check(&mut address_book, &caller("10.0.0.9", ""), "cart@v7 -> ledger-db@v1 for unknown by address");
    address_book.reports(&"shop-v1".into(), u64::MAX);
    address_book.expire(u64::MAX);
    assert_eq!(address_book.proxies(), 1);
    check(
        &mut address_book,
        &caller("10.0.0.9", ""),
        "unknown@unknown -> ledger-db@v1 for unknown by none, may improve",
    );
    check(&mut address_book, &caller("10.0.0.3", ""), "shop@v1 -> ledger-db@v1 for unknown by address");
}

#[test]
fn a_full_address_book_admits_no_further_proxy_of_an_account_with_its_share() {
    let mut address_book = AddressBook::new(Settings { proxies_max: 1, ..Settings::default() });
    let a = |version: &str| proxy("a", version, "a", "10.0.0.1");
    assert!(address_book.introduce(&"a".into(), a("v1"), 1));
    for now_us in [2, 3] {
        address_book.reports(&"a".into(), now_us);
    }
    let b = proxy("b", "v1", "b", "10.0.0.2");
    assert!(!address_book.admits(&b, 4) && !address_book.introduce(&"b".into(), b.clone(), 4));
    assert!(address_book.introduce(&"a".into(), a("v2"), 5), "a known proxy may change");
    let later_us = seconds_us(60);
    assert!(address_book.admits(&b, later_us) && address_book.introduce(&"b".into(), b, later_us));
    assert_eq!((address_book.proxies(), address_book.proxies_evicted()), (1, 1));
}
