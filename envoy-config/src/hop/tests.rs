use std::time::Instant;

use super::*;
use crate::address::Block;
use crate::topology::Topology;

const HELLO: [u8; 6] = [22, 3, 1, 0, 1, 1];
const DATA: [u8; 6] = [23, 3, 3, 0, 1, 1];

/// Both ends of a connection through a hop.
struct Ends {
    client: TcpStream,
    server: TcpStream,
    source: Ipv4Addr,
    _tasks: JoinSet<()>,
    _block: Block,
}

async fn through_a_hop(answers_held_ms: u64, then_cut: bool) -> Ends {
    let mut topology = Topology::shipped().unwrap();
    topology.hops[0].answers_held_ms = answers_held_ms;
    topology.hops[0].then_cut = then_cut;
    let block = Block::claim().unwrap();
    let plan = AddressPlan::choose(&topology, &block).unwrap();
    let hop = &topology.hops[0];
    let destination = TcpListener::bind(plan.of(&hop.to).unwrap().inbound_address()).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(SlowHop::bind(hop, &plan).await.unwrap().serve());
    let client = TcpStream::connect(plan.of_hop(&hop.name).unwrap()).await.unwrap();
    let (server, _) = destination.accept().await.unwrap();
    Ends { client, server, source: plan.of(&hop.from).unwrap().ip, _tasks: tasks, _block: block }
}

async fn pass(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    from.write_all(bytes).await.unwrap();
    let mut arrived = vec![0; bytes.len()];
    to.read_exact(&mut arrived).await.unwrap();
    assert_eq!(arrived, bytes);
    start.elapsed()
}

#[tokio::test]
async fn the_handshake_passes_and_answers_are_delayed() {
    let held = Duration::from_millis(400);
    let mut ends = through_a_hop(400, false).await;
    assert_eq!(ends.server.peer_addr().unwrap().ip(), ends.source, "the hop connects from another address");
    let start = Instant::now();
    pass(&mut ends.client, &mut ends.server, &HELLO).await;
    pass(&mut ends.server, &mut ends.client, &DATA).await;
    pass(&mut ends.client, &mut ends.server, &DATA).await;
    assert!(start.elapsed() < held, "the handshake was delayed");
    assert!(pass(&mut ends.server, &mut ends.client, &DATA).await >= held);
}

#[tokio::test]
async fn the_server_sees_the_disconnect_of_the_client_with_a_delay() {
    let held = Duration::from_millis(200);
    let mut ends = through_a_hop(200, false).await;
    pass(&mut ends.client, &mut ends.server, &DATA).await;
    let start = Instant::now();
    drop(ends.client);
    ends.server.write_all(&DATA).await.unwrap();
    assert_eq!(ends.server.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(start.elapsed() >= held);
}

#[tokio::test]
async fn a_hop_that_cuts_forwards_no_answer() {
    let held = Duration::from_millis(200);
    let mut ends = through_a_hop(200, true).await;
    pass(&mut ends.client, &mut ends.server, &HELLO).await;
    pass(&mut ends.server, &mut ends.client, &DATA).await;
    let start = Instant::now();
    pass(&mut ends.client, &mut ends.server, &DATA).await;
    ends.server.write_all(&DATA).await.unwrap();
    // With unread bytes of the server, the close may be a reset.
    assert_eq!(ends.client.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert!(start.elapsed() >= held);
}
