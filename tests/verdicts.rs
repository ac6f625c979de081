//! What both sides of a hop say together, of real faults on real Envoys; and that without faults they say the same.

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

/// Requests of each story.
const EACH: u64 = 20;
/// Every fault whose outcome is the same each time. A burst for UO may let a request more or less through, and a client
/// that leaves (DC) may do so before its request has come anywhere.
const STORIES: [Fault; 11] = [
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

/// What the join says of all hops, once none waits any more.
async fn hops(mesh: &Mesh) -> Value {
    let judged = eventually("every hop is judged", parts::SETTLED_WITHIN, async || {
        let hops = fetch::json(mesh.collector().ok()?.http(), "/api/v1/hops").await.ok()?;
        (hops.get("open")?.as_u64() == Some(0)).then_some(hops)
    });
    judged.await.unwrap()
}

/// `shop>payments given_up timed_out/given_up 20`: callers and called without their versions.
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
async fn every_story_has_its_verdict_once_per_request() {
    let mesh = parts::start(parts::observed()).await;
    let mix = Mix { fault_share: 1.0, faults: STORIES.to_vec() };
    let tally = drive(&mesh.client(), EACH * STORIES.len() as u64, &mix, 8).await;
    assert!(tally.faults.values().all(|answers| answers.sent == EACH && answers.none == 0), "{tally:?}");
    assert_eq!(tally.faults[&Fault::Rescued].with_status(200), EACH);
    mesh.settled(parts::SETTLED_WITHIN).await.unwrap();
    let hops = hops(&mesh).await;
    let expected = [
        // Each hop of a chain tells the same: the error comes from further on.
        ("gateway>shop agreed error/error", 9),
        ("gateway>shop agreed ok/ok", 2),
        ("payments>ledger-db agreed ok/ok", 3),
        // UF: no record of who refused the connection.
        ("shop>legacy unreached unreached/none", 1),
        // URX: three attempts, three records of the called side, one hop.
        ("shop>payments agreed error/error", 1),
        // DISAGREE: the answer is held up on the wire for longer than the 200 ms that shop waits.
        ("shop>payments answered_too_late timed_out/ok", 1),
        // SEVERED: UC at shop, DC at payments.
        ("shop>payments cut_between reset/given_up", 1),
        // UC at payments.
        ("shop>payments failed_behind error/reset", 1),
        // UT: payments still works, and says DC without a code.
        ("shop>payments given_up timed_out/given_up", 1),
        // CUT: UC at shop, 200 at payments.
        ("shop>payments lost_on_the_way_back reset/ok", 1),
        // RESCUED: 503 to the first attempt and 200 to the second.
        ("shop>payments rescued_by_retry ok/ok", 1),
        // NR, NC, UH.
        ("shop>payments unreached unreached/none", 3),
    ];
    assert_eq!(table(&hops), expected.map(|(cell, faults)| format!("{cell} {}", faults * EACH)));
    assert_eq!(hops["records"]["ambiguous"], 0, "{}", hops["records"]);
    mesh.stop().await.unwrap();
}

/// Sends a request that hangs in payments for half a minute; it lives as long as the connection.
fn hang(mesh: &Mesh) -> TcpStream {
    let mut stream = TcpStream::connect(mesh.gateway().unwrap()).unwrap();
    let head = format!("GET /buy HTTP/1.1\r\nhost: shop.example.com\r\nx-fault: {}\r\n\r\n", Fault::Dc);
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_killed_in_the_middle_is_told_by_its_caller_alone() {
    let options = ["--hop-window-ms", "5000"].map(str::to_owned).to_vec();
    let mut mesh = parts::start(MeshOptions { collector_options: options, ..parts::observed() }).await;
    // So that both sides are known to tell.
    drive(&mesh.client(), 200, &Mix::healthy(), 4).await;
    mesh.settled(parts::SETTLED_WITHIN).await.unwrap();
    let hanging: Vec<TcpStream> = (0..EACH).map(|_| hang(&mesh)).collect();
    let killed = eventually("all hang in payments", parts::SETTLED_WITHIN, async || {
        let active = async |workload: &str| Some(mesh.envoy(workload).ok()?.stats().await.ok()?.active);
        let (one, other) = (active("payments-v1").await?, active("payments-v2").await?);
        (one + other == EACH).then_some(one)
    });
    let killed = killed.await.unwrap();
    assert!(killed > 0, "nine of ten go to v1");
    mesh.crash_envoy("payments-v1").await.unwrap();
    let mut last = Vec::new();
    let told = eventually("the verdicts are there", parts::SETTLED_WITHIN, async || {
        let hops = fetch::json(mesh.collector().ok()?.http(), "/api/v1/hops").await.ok()?;
        last = table(&hops);
        last.retain(|line| !line.contains(" agreed "));
        (last == [format!("shop>payments destination_died reset/none {killed}")]).then_some(())
    });
    let told = told.await;
    assert!(told.is_ok(), "{killed} were killed: {last:?}");
    drop(hanging);
    let hops = hops(&mesh).await;
    last = table(&hops);
    last.retain(|line| !line.contains(" agreed "));
    assert_eq!(last, [format!("shop>payments destination_died reset/none {killed}")]);
    mesh.stop().await.unwrap();
}

/// Says for how many requests to look; more than CI has the time for can be asked for.
const REQUESTS: &str = "HOPSCOPE_VERDICTS_REQUESTS";
const REQUESTS_IN_CI: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn without_faults_nobody_disagrees() {
    let requests = std::env::var(REQUESTS).map_or(REQUESTS_IN_CI, |text| text.parse().unwrap());
    let mesh = parts::start(parts::observed()).await;
    let begun = Instant::now();
    // Of a tenth all calls are made twice under one id: half of them at once, half one after the other.
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
    assert_eq!(answered.iter().sum::<u64>(), requests, "all are answered");
    mesh.settled(Duration::from_secs(120)).await.unwrap();
    let hops = hops(&mesh).await;
    let calls = requests + 2 * some;
    let expected = [
        format!("gateway>shop agreed ok/ok {requests}"),
        // Of each of the two calls payments makes two.
        format!("payments>ledger-db agreed ok/ok {}", calls + 4 * some),
        format!("shop>payments agreed ok/ok {calls}"),
    ];
    assert_eq!(table(&hops), expected);
    let disagreements =
        hops["hops"].as_array().unwrap().iter().map(|row| row["disagreements"].as_u64().unwrap());
    assert_eq!(disagreements.sum::<u64>(), 0);
    let records = 2 * (requests + calls + calls + 4 * some);
    assert_eq!(hops["records"], serde_json::json!({"joined": records, "alone": 0, "ambiguous": 0}));
    eprintln!(
        "{requests} requests, {} calls made twice under one id, {} hops, {records} records: 0 disagreements, in {:.0} s",
        3 * 2 * some,
        records / 2,
        begun.elapsed().as_secs_f64()
    );
    mesh.stop().await.unwrap();
}
