//! Both sides of a call speak of the same edge, with versions, whatever each of them could know by itself.

use crate::parts;
use hopscope_mesh::traffic::{Mix, drive};

#[tokio::test(flavor = "multi_thread")]
async fn both_reporters_tell_the_same_edges() {
    let mesh = parts::start(parts::observed()).await;
    drive(&mesh.client(), 2_000, &Mix::healthy(), 16).await;
    mesh.settled(parts::SETTLED_WITHIN).await.unwrap();
    let edges = mesh.collector().unwrap().edges().await.unwrap();
    let count = |reporter: &str, from: &str, to: &str| -> u64 {
        let told = edges.iter().filter(|edge| {
            edge.reporter == reporter
                && format!("{}@{}", edge.source_workload, edge.source_version) == from
                && format!("{}@{}", edge.destination_workload, edge.destination_version) == to
        });
        told.map(|edge| edge.requests).sum()
    };
    // The callers of payments are known by certificate and address, those of ledger-db (plaintext) by address alone.
    let hops = [
        ("gateway@v1", "shop@v1"),
        ("shop@v1", "payments@v1"),
        ("shop@v1", "payments@v2"),
        ("payments@v1", "ledger-db@v1"),
        ("payments@v2", "ledger-db@v1"),
    ];
    for (from, to) in hops {
        let (source, destination) = (count("source", from, to), count("destination", from, to));
        assert!(source > 0 && source == destination, "{from} -> {to}: {source} and {destination}");
    }
    let canary = count("source", "shop@v1", "payments@v2");
    assert!((100..=320).contains(&canary), "10 % of 2,000 go to v2: {canary}");
    let total: u64 = edges.iter().map(|edge| edge.requests).sum();
    let told: u64 =
        hops.iter().map(|(from, to)| count("source", from, to) + count("destination", from, to)).sum();
    assert_eq!(told, total, "every record stands on one of the edges: {edges:?}");
    mesh.stop().await.unwrap();
}
