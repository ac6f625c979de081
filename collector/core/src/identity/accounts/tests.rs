use super::super::trust::{SpiffeId, TrustDomains};
use super::Accounts;
use crate::batch::Identity;
use std::cell::Cell;

thread_local! {
    /// Reads of counts: each is one search and at most two steps in an ordered map.
    pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
}

fn identity(account: &str, workload: &str, version: &str, cluster: &str) -> Identity {
    Identity {
        namespace: "ns".into(),
        service_account: account.into(),
        workload: workload.into(),
        version: version.into(),
        cluster: cluster.into(),
        ..Identity::default()
    }
}

/// Checks the common workload and version of the account x after some steps: `+w@v1/c at 5` (a
/// proxy of workload, version and cluster comes), `-w@v1/c` (it goes), `~w@v1/c` (it falls silent),
/// `until 9` (end of the learning time).
#[track_caller]
fn check(steps: &str, expected: &str) {
    let mut accounts = Accounts::default();
    for step in steps.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        if words[0] == "until" {
            assert!(accounts.end_learning(words[1].parse().unwrap()));
            continue;
        }
        let (kind, name) = words[0].split_at(1);
        let (workload, rest) = name.split_once('@').unwrap();
        let (version, cluster) = rest.split_once('/').unwrap();
        let identity = identity("x", workload, version, cluster);
        match kind {
            "+" => {
                accounts.add(&identity);
                accounts.begin_reporting(&identity, words[2].parse().unwrap());
            }
            "~" => accounts.end_reporting(&identity),
            _ => {
                accounts.end_reporting(&identity);
                accounts.remove(&identity);
            }
        }
    }
    let mut domains = TrustDomains::default();
    domains.learn(&"c1".into(), "spiffe://one/ns/a/sa/b");
    domains.learn(&"c2".into(), "spiffe://two/ns/a/sa/b");
    let id = SpiffeId::parse("spiffe://one/ns/ns/sa/x").unwrap();
    let text = accounts.of(&id, &domains).map_or("none".to_owned(), |(common, is_new)| {
        let known = |label: Option<crate::text::Text>| label.map_or("?".to_owned(), |it| it.to_string());
        let new = if is_new { ", new" } else { "" };
        format!("{}@{}{new}", known(common.workload), known(common.version))
    });
    assert_eq!(text, expected);
}

#[test]
fn the_labels_that_all_proxies_have_are_common() {
    check("+w@v1/c1 at 5, +w@v1/c1 at 6", "w@v1, new");
    check("+w@v1/c1 at 5, +w@v2/c1 at 6, until 5", "w@?");
    check("+w@v1/c1 at 5, +w@v2/c1 at 6, +w@v2/c1 at 6, until 5, -w@v1/c1", "w@v2");
    check("+w@v1/c1 at 5, +u@v1/c1 at 6, until 5", "?@v1");
    check("+w@v1/c1 at 5, +w@v1/c3 at 6, until 5", "w@v1");
}

#[test]
fn reporting_proxies_outrank_silent_ones() {
    check("+w@v1/c1 at 5, +w@v2/c1 at 6, until 5, ~w@v1/c1", "w@v2");
    check("+w@v1/c1 at 5, +w@v2/c1 at 6, until 5, ~w@v1/c1, ~w@v2/c1", "w@?");
}

#[test]
fn a_cluster_of_another_trust_domain_does_not_present_the_certificate() {
    check("+w@v1/c1 at 5, +w@v2/c2 at 6, until 5", "w@v1");
    check("+w@v2/c2 at 6, until 6", "?@?");
}

#[test]
fn an_account_is_new_after_its_first_reporting_proxy_appears() {
    check("+w@v1/c1 at 5, until 5", "w@v1");
    check("+w@v1/c1 at 5, until 5, +w@v1/c1 at 7", "w@v1");
    check("+w@v1/c1 at 5, until 5, ~w@v1/c1, +w@v2/c1 at 7", "w@v2, new");
    check("+w@v1/c1 at 5, -w@v1/c1", "none");
}

#[test]
fn a_certificate_costs_as_many_steps_for_forty_thousand_proxies_as_for_ten() {
    let id = SpiffeId::parse("spiffe://one/ns/ns/sa/x").unwrap();
    let mut steps = Vec::new();
    for proxies in [10, 1_000, 40_000] {
        let mut accounts = Accounts::default();
        for number in 0..proxies {
            let identity = identity("x", "w", "v1", &format!("c{}", number % 3));
            accounts.add(&identity);
            accounts.begin_reporting(&identity, 1);
        }
        STEPS.set(0);
        assert!(accounts.of(&id, &TrustDomains::default()).is_some());
        steps.push(STEPS.get());
    }
    assert_eq!(steps, [17; 3]);
}

/// Clients may claim any number of clusters.
#[test]
fn claims_of_many_clusters_make_few_groups() {
    let mut accounts = Accounts::default();
    for number in 0..2_000 {
        accounts.add(&identity("x", "w", "v1", &format!("claim-{number}")));
    }
    assert!(accounts.groups.values().all(|groups| groups.len() <= 64));
}
