use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::Empty;
use hyper::Response;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;
use crate::eventually::eventually;
use crate::fault::Fault;
use crate::topology::Topology;

const SOON: Duration = Duration::from_secs(10);

/// A gateway that answers everything with 200 and counts it, and a client of it.
async fn gateway(tasks: &mut JoinSet<()>) -> (Client, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let topology = Arc::new(Topology::shipped().unwrap());
    let client = Client::new(topology, listener.local_addr().unwrap(), Ipv4Addr::LOCALHOST);
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            connections.spawn(async move {
                let service = service_fn(|_| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    async { Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new())) }
                });
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    (client, count)
}

#[tokio::test]
async fn driving_sends_the_requested_number() {
    let mut tasks = JoinSet::new();
    let (client, count) = gateway(&mut tasks).await;
    let tally = drive(&client, 300, &Mix::faulty(0.5), 4).await;
    assert_eq!((tally.sent(), count.load(Ordering::Relaxed)), (300, 300));
    assert_eq!(tally.normal.with_status(200), tally.normal.sent);
    assert_eq!(tally.faults.len(), Fault::ALL.len());
    assert!(tally.normal.latencies.percentile(50.0) > Duration::ZERO);
}

#[tokio::test]
async fn steady_traffic_ends_on_request_and_counts_its_last_answers() {
    let mut tasks = JoinSet::new();
    let (client, count) = gateway(&mut tasks).await;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let end =
        eventually("twenty requests", SOON, async || (count.load(Ordering::Relaxed) >= 20).then_some(()));
    let start = Instant::now();
    steady(&client, 200.0, &Mix::healthy(), &tally, end).await;
    assert!(start.elapsed() >= Duration::from_millis(90), "200 a second and no more");
    assert_eq!(tally.lock().unwrap().sent(), count.load(Ordering::Relaxed));
}
