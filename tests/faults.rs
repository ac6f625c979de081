//! Each fault, from its real cause, is reported by the right side and attributed to the intended
//! destination.

use crate::parts;
use hopscope_mesh::fault::Fault;
use hopscope_mesh::topology::Topology;
use hopscope_mesh::traffic::{Mix, drive};

/// Intended service of a request with this fault.
fn intended(fault: Fault) -> &'static str {
    match fault {
        Fault::Uf => "legacy",
        Fault::Dc => "shop",
        _ => "payments",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_the_expected_record() {
    let mesh = parts::start(parts::observed()).await;
    let mix = Mix { fault_share: 0.5, faults: Fault::ALL.to_vec() };
    let tally = drive(&mesh.client(), 600, &mix, 12).await;
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let edges = mesh.collector().unwrap().edges().await.unwrap();
    let topology = Topology::shipped().unwrap();
    for fault in Fault::ALL {
        let sent = tally.faults[&fault].sent;
        let witness = &topology.cause(fault).unwrap().witness;
        let reported = edges.iter().filter(|edge| {
            let reporting =
                if witness.reporter == "source" { &edge.source_workload } else { &edge.destination_workload };
            edge.reporter == witness.reporter
                && *reporting == witness.workload
                && edge.response_flags == witness.flags
                && edge.response_code == witness.code
                && edge.destination_workload == intended(fault)
                && edge.destination_service == format!("{}.shop.svc.cluster.local", intended(fault))
        });
        let reported: u64 = reported.map(|edge| edge.requests).sum();
        // Some requests of a burst succeed; a client that disconnects and a server that crashes
        // race with the answer.
        let at_least = if fault == Fault::Uo { sent / 6 } else { sent.div_ceil(2) };
        assert!(reported >= at_least.max(1), "{fault}: {sent} sent, {reported} reported");
    }
    let unknown =
        edges.iter().filter(|edge| edge.response_flags != "-" && edge.destination_workload == "unknown");
    assert_eq!(unknown.count(), 0, "a failure has no destination");
    mesh.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_late_answer_report_different_outcomes() {
    let mesh = parts::start(parts::observed()).await;
    let mix = Mix { fault_share: 1.0, faults: vec![Fault::Disagree] };
    let sent = drive(&mesh.client(), 20, &mix, 4).await.sent();
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let edges = mesh.collector().unwrap().edges().await.unwrap();
    let reported = |reporter: &str, code: &str, flags: &str| -> u64 {
        let matching = edges.iter().filter(|edge| {
            edge.reporter == reporter
                && edge.source_workload == "shop"
                && edge.destination_workload == "payments"
                && edge.response_code == code
                && edge.response_flags == flags
        });
        matching.map(|edge| edge.requests).sum()
    };
    assert_eq!(reported("source", "504", "UT"), sent);
    assert!(reported("destination", "200", "-") >= sent / 2, "{edges:?}");
    mesh.stop().await.unwrap();
}
