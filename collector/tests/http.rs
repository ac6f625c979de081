//! The servers of a running collector, with a gRPC client and an HTTP client, on free ports.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness fails loudly, as its tests do")]

#[path = "http/pages.rs"]
mod pages;
#[path = "http/requests.rs"]
mod requests;

use clap::Parser;
use hopscope::config::Config;
use hopscope::runtime::{reload::Live, server::Server};
use hopscope_mesh::raw_codec::RawCodec;
use hopscope_proto::v1::telemetry_client::TelemetryClient;
use hopscope_proto::v1::{Ack, Batch, Edge, Identity, Ledger, Outcome, Records};
use prost::Message;
use prost::bytes::Bytes;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: Config,
}

/// Collector of one test; it ends with [`Collector::stop`].
struct Collector {
    http: SocketAddr,
    channel: Channel,
    live: Live,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Collector {
    async fn start(options: &[&str]) -> Self {
        let ports = ["collector", "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
        let config = Arguments::parse_from(ports.iter().chain(options)).config;
        let server = Server::bind(config).await.unwrap();
        let (grpc, http) = (server.grpc_address().unwrap(), server.http_address().unwrap());
        let live = server.live();
        let (stop, stopped) = oneshot::channel();
        let running =
            tokio::spawn(async move { server.run(async { stopped.await.unwrap() }).await.unwrap() });
        let channel = Endpoint::from_shared(format!("http://{grpc}")).unwrap().connect().await.unwrap();
        Self { http, channel, live, stop, running }
    }

    async fn report(&self, batch: Batch) -> Result<Ack, Status> {
        let mut client = TelemetryClient::new(self.channel.clone());
        client.report(batch).await.map(tonic::Response::into_inner)
    }

    /// Sends bytes in place of a batch.
    async fn send(&self, bytes: Vec<u8>) -> Status {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let path = "/hopscope.v1.Telemetry/Report".parse().unwrap();
        let sent = grpc.unary(Request::new(Bytes::from(bytes)), path, RawCodec).await;
        sent.map_or_else(|status| status, |_| Status::ok("accepted"))
    }

    async fn get(&self, path: &str) -> String {
        self.get_as(path, "*/*").await
    }

    async fn get_as(&self, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The value of one sample.
    async fn sample(&self, name: &str) -> String {
        let metrics = self.get("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).to_owned()
    }

    /// Sends bytes to the HTTP server, and returns everything it answers until it closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A server that closes with unread bytes resets the connection.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// A batch with one request.
fn batch(sequence: u64) -> Batch {
    Batch {
        schema_version: 1,
        proxy: "sidecar~10.0.0.1~pay.shop~shop.svc.cluster.local".into(),
        epoch: 7,
        sequence,
        identity: Some(Identity {
            workload: "pay\"ments".into(),
            namespace: "shop".into(),
            version: "v1".into(),
            addresses: vec!["10.0.0.1".into()],
            ..Identity::default()
        }),
        ledger: Some(Ledger { seen_total: sequence, sent_total: sequence, ..Ledger::default() }),
        base_time_unix_us: now_us(),
        strings: vec![String::new(), "ledger-db".into(), "ledger-db.shop.svc.cluster.local".into()],
        edges: vec![Edge {
            reporter: 1,
            peer_workload: 1,
            peer_canonical_revision: 1,
            service_host: 2,
            service_evidence: 1,
            ..Edge::default()
        }],
        outcomes: vec![Outcome { response_code: 503, response_flags: 64, protocol: 1, ..Outcome::default() }],
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

#[tokio::test]
async fn a_request_is_counted_once_and_shown_everywhere() {
    let collector = Collector::start(&[]).await;
    let unknown_proxy = Batch { identity: None, ..batch(1) };
    let ack = collector.report(unknown_proxy).await.unwrap();
    assert_eq!((ack.accepted_sequence, ack.need_identity), (0, true));
    for _ in 0..2 {
        assert_eq!(collector.report(batch(1)).await.unwrap().accepted_sequence, 1);
    }
    let metrics = collector.get("/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with("hopscope_requests_total{")).unwrap();
    for label in [
        "reporter=\"source\"",
        "source_workload=\"pay\\\"ments\"",
        "destination_workload=\"ledger-db\"",
        "destination_service_name=\"ledger-db\"",
        "response_flags=\"UC\"",
        "response_code=\"503\"",
    ] {
        assert!(line.contains(label), "{label} in {line}");
    }
    assert!(line.ends_with(" 1"), "{line}");
    assert!(metrics.contains("le=\"0.005\"} 0\n") && metrics.contains("le=\"0.01\"} 1\n"), "{metrics}");
    let ledger = collector.get("/api/v1/proxies").await;
    assert!(ledger.contains("\"seen\":1,\"delivered\":1") && ledger.contains("\"duplicates\":1"), "{ledger}");
    let hops = collector.get("/api/v1/hops").await;
    assert!(hops.contains("\"pending\":1") && hops.contains("\"hops\":[]"), "{hops}");
    assert_eq!(collector.sample("hopscope_join_pending_records").await, "1");
    let edges = collector.get("/api/v1/edges").await;
    assert!(edges.contains("\"response_flags\":\"UC\"") && edges.contains("\"requests\":1"), "{edges}");
    collector.stop().await;
}

#[tokio::test]
async fn windows_are_by_edge_and_by_instance() {
    let collector = Collector::start(&[]).await;
    let mut report = batch(1);
    report.strings.push("10.0.0.1".into());
    report.edges[0].peer_address = 3;
    collector.report(report).await.unwrap();
    let windows = collector.get("/api/v1/windows?service=ledger-db&workload=ledger-db").await;
    let window = "\"requests\":1,\"failed\":1,\"duration_us_sum\":7000,\"duration_us_max\":7000}]";
    assert!(windows.contains("\"window_us\":10000000") && windows.contains(window), "{windows}");
    let instances = collector.get("/api/v1/instances?reporter=source").await;
    let row = "\"instance\":\"pay.shop\",\"address\":\"10.0.0.1\",\"requests\":1,\"failed\":1";
    let alone = "\"failed_share\":1.0,\"rest_failed_share\":null";
    assert!(instances.contains(row) && instances.contains(alone), "{instances}");
    let none = collector.get("/api/v1/instances?reporter=waypoint").await;
    assert!(none.contains("\"instances\":[]"), "{none}");
    let wrong = collector.get("/api/v1/windows?edge=1").await;
    assert!(wrong.starts_with("HTTP/1.1 400") && wrong.contains("unknown parameter `edge`"), "{wrong}");
    for name in ["edges", "instances"].map(|name| format!("hopscope_windows_{name}")) {
        assert_eq!(collector.sample(&name).await, "1");
    }
    assert_eq!(collector.sample("hopscope_windows_rejected_requests_total{reason=\"bytes\"}").await, "0");
    collector.stop().await;
}

#[tokio::test]
async fn a_failure_is_stored_in_full() {
    let options = ["--failures-edge-records-max", "1", "--http-created-samples", "true"];
    let collector = Collector::start(&options).await;
    let mut report = batch(1);
    report.strings.push("upstream_reset_after_response_started".into());
    report.outcomes[0].code_details = 3;
    collector.report(report).await.unwrap();
    collector.report(batch(2)).await.unwrap();
    let text = collector.get_as("/metrics", "application/openmetrics-text").await;
    let marked: Vec<&str> = text.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(marked.len(), 1, "{text}");
    let mark = "le=\"0.01\"} 2 # {request_id_hash=\"00000001\"} 0.007 1";
    assert!(marked[0].starts_with("hopscope_request_duration_seconds_bucket{") && marked[0].contains(mark));
    let created = ["request_duration_seconds", "requests", "request_bytes", "response_bytes"];
    for name in created.map(|name| format!("\nhopscope_{name}_created{{")) {
        assert_eq!(text.matches(&name).count(), 1, "{name} in {text}");
    }
    let protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let own = collector.get_as("/metrics?only=own", protobuf).await;
    let head = "content-type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    assert!(own.contains(head) && own.contains("process_start_time_seconds") && !own.contains("# TYPE"));
    let older = collector.get("/metrics").await;
    assert!(!older.contains(" # {") && !older.contains("_created{"), "{older}");
    let answer = collector.get("/api/v1/failures?service=ledger-db&flag=uc&after=0").await;
    let stored = "\"request_id_hash\":\"00000001\"";
    assert!(answer.contains(stored) && answer.contains("\"code_details\":\"\""), "{answer}");
    assert_eq!(answer.matches(stored).count(), 1, "{answer}");
    let other = collector.get("/api/v1/failures?request_id_hash=2").await;
    assert!(other.contains("\"failures\":[]"), "{other}");
    let wrong = collector.get("/api/v1/failures?flags=UC").await;
    assert!(wrong.starts_with("HTTP/1.1 400") && wrong.contains("unknown parameter `flags`"), "{wrong}");
    assert_eq!(collector.sample("hopscope_failures_evicted_total{reason=\"edge\"}").await, "1");
    collector.stop().await;
}

#[tokio::test]
async fn answers_are_compressed_for_clients_that_accept_it() {
    let collector = Collector::start(&[]).await;
    collector.report(batch(1)).await.unwrap();
    let accepting = |encodings: &str| format!("application/openmetrics-text\r\naccept-encoding: {encodings}");
    let compressed = collector.get_as("/metrics", &accepting("br, gzip;q=0.8")).await;
    assert!(compressed.contains("content-encoding: gzip") && !compressed.contains("# TYPE"), "{compressed}");
    let plain = collector.get_as("/metrics", &accepting("gzip;q=0.2, identity")).await;
    assert!(!plain.contains("content-encoding") && plain.contains("\n# EOF\n"), "{plain}");
    assert!(plain.contains("vary: accept, accept-encoding") && !plain.contains("_created{"), "{plain}");
    assert!(compressed.len() * 4 < plain.len(), "{} and {}", compressed.len(), plain.len());
    // A short document is not worth it.
    let json = collector.get_as("/api/v1/in-flight/long", "*/*\r\naccept-encoding: gzip").await;
    assert!(!json.contains("content-encoding") && json.contains("vary: "), "{json}");
    collector.stop().await;
    let collector = Collector::start(&["--http-compression", "false"]).await;
    let plain = collector.get_as("/metrics", &accepting("gzip")).await;
    assert!(!plain.contains("content-encoding") && plain.contains("\n# EOF\n"), "{plain}");
    collector.stop().await;
}

#[tokio::test]
async fn bad_input_gets_a_status_and_a_counter_and_the_next_good_batch_works() {
    let collector = Collector::start(&["--message-bytes-max", "1024"]).await;
    let mut torn = batch(1);
    torn.records.as_mut().unwrap().outcome.clear();
    let newer = Batch { schema_version: 2, ..batch(1) };
    let whole = batch(1).encode_to_vec();
    let cases = [
        (b"garbage that is no protobuf".to_vec(), Code::InvalidArgument, "malformed"),
        (whole[..whole.len() - 3].to_vec(), Code::InvalidArgument, "malformed"),
        (torn.encode_to_vec(), Code::InvalidArgument, "columns"),
        (newer.encode_to_vec(), Code::FailedPrecondition, "schema_version"),
        (vec![0; 2_000], Code::OutOfRange, "too_large"),
    ];
    for (bytes, code, reason) in cases {
        let sample = format!("hopscope_grpc_reports_rejected_total{{reason=\"{reason}\"}}");
        let before: u64 = collector.sample(&sample).await.parse().unwrap();
        let status = collector.send(bytes).await;
        assert_eq!(status.code(), code, "{reason}: {status:?}");
        assert!(status.message().len() > 10, "{reason}: {status:?}");
        assert_eq!(collector.sample(&sample).await, (before + 1).to_string(), "{reason}");
    }
    assert_eq!(collector.report(batch(1)).await.unwrap().accepted_sequence, 1);
    assert_eq!(collector.sample("hopscope_ledger_delivered_total").await, "1");
    collector.stop().await;
}

#[tokio::test]
async fn health_readiness_and_unknown_paths_are_answered() {
    let collector = Collector::start(&[]).await;
    assert!(collector.get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(collector.get("/readyz").await.contains("ready"));
    let unknown = collector.get("/nowhere").await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("/api/v1/edges"), "{unknown}");
    let mut other = tonic::client::Grpc::new(collector.channel.clone());
    other.ready().await.unwrap();
    let path = "/hopscope.v1.Telemetry/Other".parse().unwrap();
    let status = other.unary(Request::new(Bytes::new()), path, RawCodec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    collector.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_its_option() {
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = used.local_addr().unwrap().to_string();
    let arguments = ["collector", "--grpc-address", "127.0.0.1:0", "--http-address", &address];
    let Err(error) = Server::bind(Arguments::parse_from(arguments).config).await else {
        panic!("bound twice")
    };
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {address} (HTTP); choose another with --http-address")
    );
}

#[tokio::test]
async fn new_limits_apply_to_the_next_report() {
    let collector = Collector::start(&[]).await;
    assert_eq!(collector.report(batch(1)).await.unwrap().accepted_sequence, 1);
    let mut config = Config::default();
    config.grpc.server.message_bytes_max = 1024;
    config.grpc.server.batch_strings_max = 3;
    config.engine.aggregate.series_max = 1;
    let changed: Vec<String> =
        collector.live.apply(config).changed.iter().map(|setting| setting.path()).collect();
    assert_eq!(changed, ["grpc.message_bytes_max", "grpc.batch_strings_max", "aggregate.series_max"]);
    assert_eq!(collector.send(vec![0; 2_000]).await.code(), Code::OutOfRange);
    let mut more = batch(2);
    more.strings.push("over the limit".into());
    assert_eq!(collector.report(more).await.unwrap_err().code(), Code::OutOfRange);
    // An existing series remains, and a new one overflows.
    let mut other = batch(2);
    other.outcomes[0].response_code = 500;
    assert_eq!(collector.report(other).await.unwrap().accepted_sequence, 2);
    assert_eq!(collector.sample("hopscope_series").await, "1");
    assert_eq!(collector.sample("hopscope_series_overflow_requests_total").await, "1");
    collector.stop().await;
}

#[tokio::test]
async fn a_duplicate_of_an_old_batch_is_counted_once() {
    let collector = Collector::start(&[]).await;
    let old = |sequence| Batch { base_time_unix_us: now_us() - 100_000_000, ..batch(sequence) };
    assert_eq!(collector.report(old(1)).await.unwrap().accepted_sequence, 1);
    let mut config = Config::default();
    config.grpc.server.age_s_max = 60;
    assert_eq!(collector.live.apply(config).changed.len(), 1);
    assert_eq!(collector.report(old(1)).await.unwrap().accepted_sequence, 1);
    assert_eq!(collector.sample("hopscope_ledger_moved_total").await, "0");
    assert_eq!(collector.report(old(2)).await.unwrap().accepted_sequence, 2);
    assert_eq!(collector.sample("hopscope_ledger_moved_total").await, "1");
    let metrics = collector.get("/metrics").await;
    let counted: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("hopscope_requests_total{")).collect();
    assert!(counted.len() == 1 && counted[0].ends_with("} 2"), "{counted:?}");
    collector.stop().await;
}

#[tokio::test]
async fn an_invalid_row_is_rejected_and_the_rest_of_its_batch_is_counted() {
    let collector = Collector::start(&[]).await;
    let mut index = batch(1);
    index.records.as_mut().unwrap().edge[0] = 9;
    assert_eq!(collector.report(index).await.unwrap().accepted_sequence, 1);
    // The collector's clock is 11 minutes behind.
    let mut future = batch(2);
    future.base_time_unix_us += 11 * 60 * 1_000_000;
    // An upstream that answers with an invalid status.
    future.outcomes[0].response_code = 99;
    assert_eq!(collector.report(future).await.unwrap().accepted_sequence, 2);
    let metrics = collector.get("/metrics").await;
    for sample in [
        "hopscope_ledger_rejected_rows_total{reason=\"edge\"} 1",
        "hopscope_ledger_dropped_total{reason=\"rejected_edge\"} 1",
        "hopscope_ledger_delivered_total 1",
        "hopscope_ledger_moved_total 1",
        "hopscope_ledger_unaccounted 0",
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample}");
    }
    let invalid = |line: &&str| line.starts_with("hopscope_requests_total{") && line.contains("\"invalid\"");
    assert_eq!(metrics.lines().filter(invalid).count(), 1);
    collector.stop().await;
}
