//! Verdicts on both sides of a hop: real faults on real Envoys, and agreement without faults.

use crate::parts;
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fault::Fault;
use hopscope_mesh::fetch;
use hopscope_mesh::mesh::{Mesh, MeshOptions};
use hopscope_mesh::repeat::Repeat;
use hopscope_mesh::traffic::{Mix, drive};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Requests of each fault.
const EACH: u64 = 20;
/// Faults with the same outcome each time: the number of successes in a burst for UO varies, and a
/// client that disconnects (DC) may do so before its request reaches a proxy.
const FAULTS: [Fault; 11] = [
    Fault::Nr,
    Fault::Nc,
    Fault::Uh,
    Fault::Ut,
    Fault::Uf,
    Fault::Urx,
    Fault::Uc,
    Fault::Disagree,
    Fault::Rescued,
    Fault::Cut,
    Fault::Severed,
];

/// Results of the join for all hops, once no record is pending.
async fn hops(mesh: &Mesh) -> Value {
    let judged = eventually("every hop has a verdict", parts::BALANCED_WITHIN, async || {
        let hops = fetch::json(mesh.collector().ok()?.http(), "/api/v1/hops").await.ok()?;
        (hops.get("pending")?.as_u64() == Some(0)).then_some(hops)
    });
    judged.await.unwrap()
}

/// Formats counts as `shop>payments caller_gave_up timed_out/caller_gave_up 20`, without versions.
fn table(hops: &Value) -> Vec<String> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in hops["hops"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let edge = format!("{}>{}", text(&row["source_workload"]), text(&row["destination_workload"]));
        for cell in row["matrix"].as_array().unwrap() {
            let [verdict, source, destination] =
                ["verdict", "source", "destination"].map(|name| text(&cell[name]));
            *counts.entry(format!("{edge} {verdict} {source}/{destination}")).or_default() +=
                cell["hops"].as_u64().unwrap();
        }
    }
    counts.into_iter().map(|(cell, count)| format!("{cell} {count}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_has_one_verdict_per_request() {
    let mesh = parts::start(parts::observed()).await;
    let mix = Mix { fault_share: 1.0, faults: FAULTS.to_vec() };
    let tally = drive(&mesh.client(), EACH * FAULTS.len() as u64, &mix, 8).await;
    assert!(tally.faults.values().all(|answers| answers.sent == EACH && answers.none == 0), "{tally:?}");
    assert_eq!(tally.faults[&Fault::Rescued].with_status(200), EACH);
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let hops = hops(&mesh).await;
    let expected = [
        // The error passes through this hop: both sides report it.
        ("gateway>shop agreed error/error", 9),
        ("gateway>shop agreed ok/ok", 2),
        ("payments>ledger-db agreed ok/ok", 3),
        // UF: the destination refused the connection and has no record.
        ("shop>legacy not_forwarded not_forwarded/none", 1),
        // URX: three attempts, three records of the destination, one hop.
        ("shop>payments agreed error/error", 1),
        // DISAGREE: the answer is held up on the wire for longer than the 200 ms that shop waits.
        ("shop>payments response_late timed_out/ok", 1),
        // SEVERED: UC at shop, DC at payments.
        ("shop>payments connection_cut reset/caller_gave_up", 1),
        // UC at payments.
        ("shop>payments destination_failed error/reset", 1),
        // UT: payments still works and reports DC without a code.
        ("shop>payments caller_gave_up timed_out/caller_gave_up", 1),
        // CUT: UC at shop, 200 at payments.
        ("shop>payments response_lost reset/ok", 1),
        // RESCUED: 503 to the first attempt and 200 to the second.
        ("shop>payments succeeded_after_retry ok/ok", 1),
        // NR, NC, UH.
        ("shop>payments not_forwarded not_forwarded/none", 3),
    ];
    let mut expected = expected.map(|(cell, faults)| format!("{cell} {}", faults * EACH));
    expected.sort();
    assert_eq!(table(&hops), expected);
    assert_eq!(hops["records"]["ambiguous"], 0, "{}", hops["records"]);
    mesh.stop().await.unwrap();
}

/// Sends a request that hangs in payments for half a minute; it ends with the connection.
fn hang(mesh: &Mesh) -> TcpStream {
    let mut stream = TcpStream::connect(mesh.gateway().unwrap()).unwrap();
    let head = format!("GET /buy HTTP/1.1\r\nhost: shop.example.com\r\nx-fault: {}\r\n\r\n", Fault::Dc);
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_killed_during_requests_is_reported_by_its_source_alone() {
    let options = ["--join-window-ms", "5000"].map(str::to_owned).to_vec();
    let mut mesh = parts::start(MeshOptions { collector_options: options, ..parts::observed() }).await;
    // Both sides report before the crash, so that the collector knows both.
    drive(&mesh.client(), 200, &Mix::healthy(), 4).await;
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let hanging: Vec<TcpStream> = (0..EACH).map(|_| hang(&mesh)).collect();
    let killed = eventually("all hang in payments", parts::BALANCED_WITHIN, async || {
        let active = async |workload: &str| Some(mesh.envoy(workload).ok()?.stats().await.ok()?.active);
        let (one, other) = (active("payments-v1").await?, active("payments-v2").await?);
        (one + other == EACH).then_some(one)
    });
    let killed = killed.await.unwrap();
    assert!(killed > 0, "no request hangs in v1, which gets nine of ten");
    mesh.crash_envoy("payments-v1").await.unwrap();
    let mut last = Vec::new();
    let reported = eventually("the verdicts are reported", parts::BALANCED_WITHIN, async || {
        let hops = fetch::json(mesh.collector().ok()?.http(), "/api/v1/hops").await.ok()?;
        last = table(&hops);
        last.retain(|line| !line.contains(" agreed "));
        (last == [format!("shop>payments destination_down reset/none {killed}")]).then_some(())
    });
    let reported = reported.await;
    assert!(reported.is_ok(), "{killed} were killed: {last:?}");
    drop(hanging);
    let hops = hops(&mesh).await;
    last = table(&hops);
    last.retain(|line| !line.contains(" agreed "));
    assert_eq!(last, [format!("shop>payments destination_down reset/none {killed}")]);
    mesh.stop().await.unwrap();
}

/// Variable with the number of requests, for more requests than CI has time for.
const REQUESTS: &str = "HOPSCOPE_VERDICTS_REQUESTS";
const REQUESTS_IN_CI: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn without_faults_both_sides_agree() {
    let requests = std::env::var(REQUESTS).map_or(REQUESTS_IN_CI, |text| text.parse().unwrap());
    let mesh = parts::start(parts::observed()).await;
    let start = Instant::now();
    // For a tenth of the requests, applications call twice under one id: half in parallel, half in
    // sequence.
    let some = requests / 20;
    let client = |repeat| mesh.client().repeating(repeat);
    let (once, in_turn, together) = (client(Repeat::Once), client(Repeat::InTurn), client(Repeat::Together));
    let healthy = Mix::healthy();
    let tallies = tokio::join!(
        drive(&once, requests - 2 * some, &healthy, 12),
        drive(&in_turn, some, &healthy, 2),
        drive(&together, some, &healthy, 2),
    );
    let answered = [&tallies.0, &tallies.1, &tallies.2].map(|tally| tally.normal.with_status(200));
    assert_eq!(answered.iter().sum::<u64>(), requests, "a request was not answered with 200");
    mesh.balanced(Duration::from_secs(120)).await.unwrap();
    let hops = hops(&mesh).await;
    let calls = requests + 2 * some;
    let expected = [
        format!("gateway>shop agreed ok/ok {requests}"),
        // Payments makes two calls for each of the two calls that it receives.
        format!("payments>ledger-db agreed ok/ok {}", calls + 4 * some),
        format!("shop>payments agreed ok/ok {calls}"),
    ];
    assert_eq!(table(&hops), expected);
    let disagreements =
        hops["hops"].as_array().unwrap().iter().map(|row| row["disagreements"].as_u64().unwrap());
    assert_eq!(disagreements.sum::<u64>(), 0);
    let records = 2 * (requests + calls + calls + 4 * some);
    assert_eq!(
        hops["records"],
        serde_json::json!({"joined": records, "late": 0, "alone": 0, "ambiguous": 0})
    );
    eprintln!(
        "{requests} requests, {} calls made twice under one id, {} hops, {records} records: 0 disagreements, in {:.0} s",
        3 * 2 * some,
        records / 2,
        start.elapsed().as_secs_f64()
    );
    mesh.stop().await.unwrap();
}
