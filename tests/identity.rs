//! Both sides of a call report the same edge with versions, whatever each side knows by itself.

use crate::parts;
use hopscope_mesh::mesh::MeshOptions;
use hopscope_mesh::traffic::{Mix, drive};
use std::collections::BTreeSet;

/// Source, destination, and the evidence for the source's name on the destination's side.
type Hops = [(&'static str, &'static str, &'static str); 5];

async fn both_reporters_report_the_same_edges(options: MeshOptions, hops: Hops) {
    let mesh = parts::start(options).await;
    drive(&mesh.client(), 2_000, &Mix::healthy(), 16).await;
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let edges = mesh.collector().unwrap().edges().await.unwrap();
    let reported = |reporter: &str, from: &str, to: &str| {
        let edges = edges.iter().filter(|edge| {
            edge.reporter == reporter
                && format!("{}@{}", edge.source_workload, edge.source_version) == from
                && format!("{}@{}", edge.destination_workload, edge.destination_version) == to
        });
        edges.collect::<Vec<_>>()
    };
    let count = |reporter: &str, from: &str, to: &str| -> u64 {
        reported(reporter, from, to).iter().map(|edge| edge.requests).sum()
    };
    for (from, to, evidence) in hops {
        let (source, destination) = (count("source", from, to), count("destination", from, to));
        assert!(
            source > 0 && source == destination,
            "{from} -> {to}: {source} and {destination} of {edges:#?}"
        );
        let named_by = reported("destination", from, to);
        let named_by: BTreeSet<&str> = named_by.iter().map(|edge| edge.peer_evidence.as_str()).collect();
        assert_eq!(named_by, BTreeSet::from([evidence]), "{from} -> {to}");
    }
    let canary = count("source", "shop@v1", "payments@v2");
    assert!((100..=320).contains(&canary), "10 % of 2,000 go to v2: {canary}");
    let total: u64 = edges.iter().map(|edge| edge.requests).sum();
    let on_hops: u64 =
        hops.iter().map(|(from, to, _)| count("source", from, to) + count("destination", from, to)).sum();
    assert_eq!(on_hops, total, "a record is on another edge: {edges:?}");
    mesh.stop().await.unwrap();
}

/// The forwarded-for header of the gateway hides its address; the others are known by address.
fn hops(gateway_by: &'static str) -> Hops {
    [
        ("gateway@v1", "shop@v1", gateway_by),
        ("shop@v1", "payments@v1", "address"),
        ("shop@v1", "payments@v2", "address"),
        ("payments@v1", "ledger-db@v1", "address"),
        ("payments@v2", "ledger-db@v1", "address"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn both_reporters_report_the_same_edges_by_address_and_certificate() {
    both_reporters_report_the_same_edges(parts::observed(), hops("certificate")).await;
}

/// With one service account for all workloads, certificates do not distinguish them.
#[tokio::test(flavor = "multi_thread")]
async fn both_reporters_report_the_same_edges_with_one_service_account_for_all() {
    let options = MeshOptions { service_account: Some("default".into()), ..parts::observed() };
    both_reporters_report_the_same_edges(options, hops("joined")).await;
}
