//! Running collector and its clients.

use clap::Parser;
use hopscope::config::Config;
use hopscope::runtime::server::Server;
use hopscope_mesh::raw_codec::RawCodec;
use hopscope_proto::v1::telemetry_client::TelemetryClient;
use hopscope_proto::v1::{Ack, Batch, Edge, Identity, Ledger, Outcome, Records};
use prost::bytes::Bytes;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Limit on every wait of a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: Config,
}

/// Collector of one test; ends with [`Collector::stop`].
pub(crate) struct Collector {
    pub(crate) grpc: SocketAddr,
    http: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// Configuration of these options.
pub(crate) fn config(options: &[&str]) -> Config {
    let ports = ["collector", "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
    Arguments::parse_from(ports.iter().chain(options)).config
}

impl Collector {
    pub(crate) async fn start(options: &[&str]) -> Self {
        let server = Server::bind(config(options)).await.unwrap();
        let (grpc, http) = (server.grpc_address().unwrap(), server.http_address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let running =
            tokio::spawn(async move { server.run(async { stopped.await.unwrap() }).await.unwrap() });
        Self { grpc, http, stop, running }
    }

    /// Plaintext client.
    pub(crate) async fn client(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Value of one sample.
    pub(crate) async fn sample(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
    }

    /// Reports that were rejected for a reason.
    pub(crate) async fn rejected(&self, reason: &str) -> u64 {
        self.sample(&format!("hopscope_grpc_reports_rejected_total{{reason=\"{reason}\"}}")).await
    }

    /// Connections not served for a reason.
    pub(crate) async fn unserved(&self, reason: &str) -> u64 {
        self.sample(&format!("hopscope_grpc_connections_rejected_total{{reason=\"{reason}\"}}")).await
    }

    /// Waits until a counter has at least this value.
    pub(crate) async fn until_at_least(&self, name: &str, value: u64) {
        let began = Instant::now();
        while self.sample(name).await < value {
            assert!(began.elapsed() < PATIENCE, "{name} stays below {value}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a sample has this value.
    pub(crate) async fn until(&self, name: &str, value: u64) {
        let began = Instant::now();
        loop {
            let now = self.sample(name).await;
            if now == value {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{name} is {now}, not {value}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap();
    }
}

pub(crate) async fn report(channel: &Channel, batch: Batch) -> Result<Ack, Status> {
    TelemetryClient::new(channel.clone()).report(batch).await.map(tonic::Response::into_inner)
}

/// Sends arbitrary bytes as a batch.
pub(crate) async fn send(channel: &Channel, bytes: Bytes) -> Status {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = "/hopscope.v1.Telemetry/Report".parse().unwrap();
    let sent = grpc.unary(Request::new(bytes), path, RawCodec).await;
    sent.map_or_else(|status| status, |_| Status::ok("accepted"))
}

pub(crate) fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Batch with one request of a proxy of `account` in namespace `shop`.
pub(crate) fn batch(account: &str, sequence: u64) -> Batch {
    Batch {
        schema_version: 1,
        proxy: format!("sidecar~10.0.0.1~{account}-7d9c.shop~shop.svc.cluster.local"),
        epoch: 7,
        sequence,
        identity: Some(Identity {
            workload: account.into(),
            namespace: "shop".into(),
            service_account: account.into(),
            ..Identity::default()
        }),
        ledger: Some(Ledger { seen_total: sequence, sent_total: sequence, ..Ledger::default() }),
        base_time_unix_us: now_us(),
        strings: vec![String::new(), "db.shop.svc.cluster.local".into()],
        edges: vec![Edge { reporter: 1, service_host: 1, service_evidence: 1, ..Edge::default() }],
        outcomes: vec![Outcome { response_code: 200, protocol: 1, ..Outcome::default() }],
        records: Some(Records {
            edge: vec![0],
            outcome: vec![0],
            start_delta_us: vec![0],
            duration_us: vec![7_000],
            request_bytes: vec![10],
            response_bytes: vec![20],
            request_id_hash: vec![1],
            attempts: vec![1],
        }),
        ..Batch::default()
    }
}
