//! Each fault, from its real cause, is told by the right side and charged to the destination that was meant.

use crate::parts;
use hopscope_mesh::fault::Fault;
use hopscope_mesh::topology::Topology;
use hopscope_mesh::traffic::{Mix, drive};

/// The service that was meant.
fn meant(fault: Fault) -> &'static str {
    match fault {
        Fault::Uf => "legacy",
        Fault::Dc => "shop",
        _ => "payments",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_witness() {
    let mesh = parts::start(parts::observed()).await;
    let mix = Mix { fault_share: 0.5, faults: Fault::ALL.to_vec() };
    let tally = drive(&mesh.client(), 600, &mix, 12).await;
    mesh.settled(parts::SETTLED_WITHIN).await.unwrap();
    let edges = mesh.collector().unwrap().edges().await.unwrap();
    let topology = Topology::shipped().unwrap();
    for fault in Fault::ALL {
        let sent = tally.faults[&fault].sent;
        let witness = &topology.cause(fault).unwrap().witness;
        let told = edges.iter().filter(|edge| {
            let teller =
                if witness.reporter == "source" { &edge.source_workload } else { &edge.destination_workload };
            edge.reporter == witness.reporter
                && *teller == witness.workload
                && edge.response_flags == witness.flags
                && edge.response_code == witness.code
                && edge.destination_workload == meant(fault)
                && edge.destination_service == format!("{}.shop.svc.cluster.local", meant(fault))
        });
        let told: u64 = told.map(|edge| edge.requests).sum();
        // A burst lets some requests through; a client's hang-up and a crash of the server can race with the answer.
        let at_least = if fault == Fault::Uo { sent / 6 } else { sent.div_ceil(2) };
        assert!(told >= at_least.max(1), "{fault}: {sent} sent, {told} told");
    }
    let unknown =
        edges.iter().filter(|edge| edge.response_flags != "-" && edge.destination_workload == "unknown");
    assert_eq!(unknown.count(), 0, "a failure was charged to nobody");
    mesh.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_sides_may_disagree() {
    let mesh = parts::start(parts::observed()).await;
    let mix = Mix { fault_share: 1.0, faults: vec![Fault::Disagree] };
    let sent = drive(&mesh.client(), 20, &mix, 4).await.sent();
    mesh.settled(parts::SETTLED_WITHIN).await.unwrap();
    let edges = mesh.collector().unwrap().edges().await.unwrap();
    let told = |reporter: &str, code: &str, flags: &str| -> u64 {
        let told = edges.iter().filter(|edge| {
            edge.reporter == reporter
                && edge.source_workload == "shop"
                && edge.destination_workload == "payments"
                && edge.response_code == code
                && edge.response_flags == flags
        });
        told.map(|edge| edge.requests).sum()
    };
    assert_eq!(told("source", "504", "UT"), sent);
    assert!(told("destination", "200", "-") >= sent / 2, "{edges:?}");
    mesh.stop().await.unwrap();
}
