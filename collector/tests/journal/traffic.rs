//! Proxies that report batches, and repeat them until they are acknowledged.

use hopscope_proto::v1::telemetry_client::TelemetryClient;
use hopscope_proto::v1::{Batch, Edge, Identity, Ledger, Outcome, Records};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint};

/// Batches of one proxy in flight.
const IN_FLIGHT: u64 = 4;

/// Requests in a batch.
pub(crate) fn size(proxy: u64, sequence: u64) -> u64 {
    1 + (sequence * 7 + proxy) % 13
}

/// Batch `sequence` of a proxy: calls to a service, calls from its neighbour by address, and calls
/// from an unknown address.
pub(crate) fn batch(proxy: u64, sequence: u64, identity: bool) -> Batch {
    let requests = size(proxy, sequence);
    let sent_total = (1..=sequence).map(|sequence| size(proxy, sequence)).sum();
    let rows = usize::try_from(requests).unwrap();
    let index =
        |modulus: u64| (0..requests).map(|row| u32::try_from((row + sequence) % modulus).unwrap()).collect();
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    Batch {
        schema_version: 1,
        proxy: format!("sidecar~10.0.0.{proxy}~p{proxy}.shop~shop.svc.cluster.local"),
        epoch: 1_000 + proxy,
        sequence,
        identity: identity.then(|| Identity {
            workload: format!("workload-{proxy}"),
            addresses: vec![format!("10.0.0.{proxy}")],
            ..Identity::default()
        }),
        ledger: Some(Ledger { seen_total: sent_total, sent_total, ..Ledger::default() }),
        base_time_unix_us: u64::try_from(now_us).unwrap(),
        strings: ["", "pay.shop.svc.cluster.local", &format!("10.0.0.{}", proxy ^ 1), "10.9.9.9"]
            .map(str::to_owned)
            .to_vec(),
        edges: vec![
            Edge { reporter: 1, service_host: 1, service_evidence: 1, ..Edge::default() },
            Edge { reporter: 2, peer_address: 2, ..Edge::default() },
            Edge { reporter: 2, peer_address: 3, ..Edge::default() },
        ],
        outcomes: vec![
            Outcome { response_code: 200, protocol: 1, ..Outcome::default() },
            Outcome { response_code: 503, response_flags: 64, protocol: 1, ..Outcome::default() },
        ],
        records: Some(Records {
            edge: index(3),
            outcome: index(2),
            start_delta_us: vec![0; rows],
            duration_us: vec![7_000; rows],
            request_bytes: vec![10; rows],
            response_bytes: vec![20; rows],
            request_id_hash: vec![1; rows],
            attempts: vec![1; rows],
        }),
        ..Batch::default()
    }
}

/// Running traffic.
pub(crate) struct Traffic {
    /// Current address of the collector.
    pub(crate) address: watch::Sender<SocketAddr>,
    stop: AtomicBool,
    /// Requests in acknowledged batches.
    pub(crate) acknowledged: AtomicU64,
}

impl Traffic {
    pub(crate) fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address: watch::Sender::new(address),
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
        })
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Reports batch after batch until [`Self::stop`]; returns their number, all acknowledged.
    pub(crate) async fn proxy(self: Arc<Self>, proxy: u64) -> u64 {
        self.batch(proxy, 1, true).await;
        let mut last = 1;
        while !self.stop.load(Ordering::Relaxed) {
            let sent = (last + 1..=last + IN_FLIGHT).map(|sequence| {
                let traffic = self.clone();
                tokio::spawn(async move { traffic.batch(proxy, sequence, false).await })
            });
            for sent in sent.collect::<Vec<_>>() {
                sent.await.unwrap();
            }
            last += IN_FLIGHT;
        }
        last
    }

    /// Reports one batch until it is acknowledged.
    async fn batch(&self, proxy: u64, sequence: u64, identity: bool) {
        let batch = batch(proxy, sequence, identity);
        let mut address = self.address.subscribe();
        loop {
            let to = *address.borrow_and_update();
            let sent = async {
                let mut client = TelemetryClient::new(channel(to).await?);
                client.report(batch.clone()).await.map_err(anyhow::Error::from)
            };
            match tokio::time::timeout(Duration::from_secs(5), sent).await {
                Ok(Ok(ack)) => {
                    let ack = ack.into_inner();
                    assert!(!ack.need_identity, "the address book is lost");
                    assert_eq!(ack.accepted_sequence, sequence);
                    self.acknowledged.fetch_add(size(proxy, sequence), Ordering::Relaxed);
                    return;
                }
                _ => {
                    let patience = Duration::from_millis(20);
                    let _ = tokio::time::timeout(patience, address.changed()).await;
                }
            }
        }
    }
}

/// Opens a connection for one batch, so that a broken connection affects no other batch.
async fn channel(address: SocketAddr) -> anyhow::Result<Channel> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?.connect().await?)
}
