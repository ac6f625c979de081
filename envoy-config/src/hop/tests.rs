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
    let places = Places::choose(&topology, &block).unwrap();
    let hop = &topology.hops[0];
    let destination = TcpListener::bind(places.of(&hop.to).unwrap().entrance()).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(SlowHop::bind(hop, &places).await.unwrap().serve());
    let client = TcpStream::connect(places.of_hop(&hop.name).unwrap()).await.unwrap();
    let (server, _) = destination.accept().await.unwrap();
    Ends { client, server, source: places.of(&hop.from).unwrap().address, _tasks: tasks, _block: block }
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
async fn the_handshake_passes_and_answers_are_held() {
    let held = Duration::from_millis(400);
    let mut ends = through_a_hop(400, false).await;
    assert_eq!(ends.server.peer_addr().unwrap().ip(), ends.source, "it connects as the source");
    let start = Instant::now();
    pass(&mut ends.client, &mut ends.server, &HELLO).await;
    pass(&mut ends.server, &mut ends.client, &DATA).await;
    pass(&mut ends.client, &mut ends.server, &DATA).await;
    assert!(start.elapsed() < held, "nothing was held yet");
    assert!(pass(&mut ends.server, &mut ends.client, &DATA).await >= held);
}

#[tokio::test]
async fn the_server_hears_late_that_the_client_left() {
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
async fn a_hop_that_cuts_passes_no_answer_on() {
    let held = Duration::from_millis(200);
    let mut ends = through_a_hop(200, true).await;
    pass(&mut ends.client, &mut ends.server, &HELLO).await;
    pass(&mut ends.server, &mut ends.client, &DATA).await;
    let start = Instant::now();
    pass(&mut ends.client, &mut ends.server, &DATA).await;
    ends.server.write_all(&DATA).await.unwrap();
    // With bytes of the server that nobody read it may be a reset.
    assert_eq!(ends.client.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert!(start.elapsed() >= held);
}
