//! Both sides of a call speak of the same edge, with versions, whatever each of them could know by itself.

use crate::parts;
use hopscope_mesh::mesh::MeshOptions;
use hopscope_mesh::traffic::{Mix, drive};
use std::collections::BTreeSet;

/// Who calls whom, and what the called side's name for its caller rests on.
type Hops = [(&'static str, &'static str, &'static str); 5];

async fn both_reporters_tell_the_same_edges(options: MeshOptions, hops: Hops) {
    let mesh = parts::start(options).await;
    drive(&mesh.client(), 2_000, &Mix::healthy(), 16).await;
    mesh.settled(parts::SETTLED_WITHIN).await.unwrap();
    let edges = mesh.collector().unwrap().edges().await.unwrap();
    let told = |reporter: &str, from: &str, to: &str| {
        let edges = edges.iter().filter(|edge| {
            edge.reporter == reporter
                && format!("{}@{}", edge.source_workload, edge.source_version) == from
                && format!("{}@{}", edge.destination_workload, edge.destination_version) == to
        });
        edges.collect::<Vec<_>>()
    };
    let count = |reporter: &str, from: &str, to: &str| -> u64 {
        told(reporter, from, to).iter().map(|edge| edge.requests).sum()
    };
    for (from, to, evidence) in hops {
        let (source, destination) = (count("source", from, to), count("destination", from, to));
        assert!(
            source > 0 && source == destination,
            "{from} -> {to}: {source} and {destination} of {edges:#?}"
        );
        let named_by = told("destination", from, to);
        let named_by: BTreeSet<&str> = named_by.iter().map(|edge| edge.peer_evidence.as_str()).collect();
        assert_eq!(named_by, BTreeSet::from([evidence]), "{from} -> {to}");
    }
    let canary = count("source", "shop@v1", "payments@v2");
    assert!((100..=320).contains(&canary), "10 % of 2,000 go to v2: {canary}");
    let total: u64 = edges.iter().map(|edge| edge.requests).sum();
    let told: u64 =
        hops.iter().map(|(from, to, _)| count("source", from, to) + count("destination", from, to)).sum();
    assert_eq!(told, total, "every record stands on one of the edges: {edges:?}");
    mesh.stop().await.unwrap();
}

/// The gateway's address is hidden by the forwarded-for header that it adds; the others stand behind their own.
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
async fn both_reporters_tell_the_same_edges_by_address_and_certificate() {
    both_reporters_tell_the_same_edges(parts::observed(), hops("certificate")).await;
}

/// Where all workloads run under one account, no certificate tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn both_reporters_tell_the_same_edges_though_all_have_one_service_account() {
    let options = MeshOptions { service_account: Some("default".into()), ..parts::observed() };
    both_reporters_tell_the_same_edges(options, hops("joined")).await;
}
