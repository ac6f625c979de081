//! Access logs of real Envoys without the filter: requests that a proxy answers itself, and TCP
//! with a TLS server name.

mod bootstrap;

use crate::parts;
use bootstrap::{APPLICATION, Node, http_listener, tcp_listener};
use hopscope_mesh::address::{Block, free_port};
use hopscope_mesh::collector::{Collector, CollectorAddress};
use hopscope_mesh::envoy::{Envoy, EnvoyCommand};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Longest wait for entries; Envoy flushes them five times per second.
const SOON: Duration = Duration::from_secs(20);
const EAST_WEST: &str = "outbound_.8080_.v1_.payments.shop.svc.cluster.local";

/// A collector, and one Envoy whose access log it receives.
struct Fixture {
    envoy: Envoy,
    collector: Collector,
    listener: SocketAddr,
    block: Block,
    _folder: TempDir,
}

impl Fixture {
    /// Starts an Envoy of a kind (`sidecar`, `router`) with one listener. `cluster`: cluster of its
    /// TCP connections, or `None` for HTTP.
    async fn start(envoy: PathBuf, kind: &str, cluster: Option<&str>) -> Self {
        let folder = tempfile::Builder::new().prefix("hopscope-access-logs-").tempdir().unwrap();
        let block = Block::claim().unwrap();
        let address = block.address(7);
        let collector_address = CollectorAddress::choose().unwrap();
        let log = folder.path().join("collector.log");
        let collector = Collector::new(parts::path("HOPSCOPE_COLLECTOR"), collector_address, log);
        let mut collector = collector.with_options(&["--pending-ms-max", "0"]);
        collector.start().await.unwrap();
        let listener = SocketAddr::from((address, free_port(address, 8_080).unwrap()));
        let admin = SocketAddr::from((address, free_port(address, 15_000).unwrap()));
        let node = Node { kind, address, admin, collector: collector_address.grpc };
        let upstream = upstream(block.address(8)).await;
        let bootstrap = match cluster {
            None => node.bootstrap(&http_listener(listener), APPLICATION, upstream),
            Some(cluster) => node.bootstrap(&tcp_listener(listener, cluster), cluster, upstream),
        };
        let config = folder.path().join("envoy.yaml");
        std::fs::write(&config, bootstrap.to_string()).unwrap();
        let mut envoy = Envoy::start(EnvoyCommand {
            name: kind.to_owned(),
            binary: envoy,
            config,
            concurrency: 1,
            log: folder.path().join("envoy.log"),
            admin,
            incomplete_heads: folder.path().join("none.log"),
        })
        .unwrap();
        envoy.ready().await.unwrap();
        Self { envoy, collector, listener, block, _folder: folder }
    }

    /// Sends bytes from another address, and reads until the connection ends.
    async fn send(&self, bytes: &[u8]) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.block.address(9), 0).into()).unwrap();
        let mut stream = socket.connect(self.listener).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Envoy may reset the connection after its answer.
        let _ = stream.read_to_end(&mut answer).await;
    }

    /// Waits for `count` rows of a list, and returns some of their labels, sorted.
    async fn rows(&self, path: &str, list: &str, count: usize, labels: &[&str]) -> Vec<String> {
        let rows = eventually("the entries are counted", SOON, async || {
            let rows: Vec<Value> = fetch::list(self.collector.http(), path, list).await.unwrap();
            (rows.len() == count).then_some(rows)
        });
        let mut rows: Vec<String> = rows.await.unwrap().iter().map(|row| text(row, labels)).collect();
        rows.sort();
        rows
    }

    async fn stop(mut self) {
        self.envoy.stop().await.unwrap();
        self.collector.stop().await.unwrap();
    }
}

/// Returns labels of a row as one text.
fn text(row: &Value, labels: &[&str]) -> String {
    let texts: Vec<&str> = labels.iter().map(|label| row[*label].as_str().unwrap_or("-")).collect();
    texts.join(" ")
}

/// Starts an application that reads once from each connection, answers the paths of HTTP requests,
/// and closes it.
async fn upstream(address: Ipv4Addr) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 1_024];
    let length = stream.read(&mut buffer).await.unwrap_or(0);
    let request = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
    let Some(path) = request.split(' ').nth(1).and_then(|path| path.strip_prefix('/')) else { return };
    let head = match path.strip_prefix("grpc/") {
        Some("none") => "HTTP/1.1 200 OK\r\ncontent-type: application/grpc".to_owned(),
        Some(status) => {
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: {status}")
        }
        None => format!("HTTP/1.1 {path} Status"),
    };
    let response = format!("{head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // Envoy may have closed the connection.
    let _ = stream.write_all(response.as_bytes()).await;
}

/// Returns a TLS 1.2 `ClientHello` with a server name.
fn client_hello(name: &str) -> Vec<u8> {
    let sized = |bytes: Vec<u8>| -> Vec<u8> {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length[..], &bytes].concat()
    };
    let names = sized([&[0], &sized(name.into())[..]].concat());
    let groups = sized(sized(vec![0, 29]));
    let algorithms = sized(sized(vec![4, 3, 8, 4]));
    let extensions = [&[0, 0], &sized(names)[..], &[0, 10], &groups, &[0, 13], &algorithms].concat();
    let ciphers = sized(vec![0xc0, 0x2b, 0xc0, 0x2f]);
    let hello = [&[3, 3][..], &[7; 32], &[0], &ciphers, &[1, 0], &sized(extensions)].concat();
    let handshake = [&[1, 0][..], &sized(hello)].concat();
    [&[22, 3, 1][..], &sized(handshake)].concat()
}

async fn answers_of_the_proxy_itself(envoy: PathBuf) {
    let fixture = Fixture::start(envoy, "sidecar", None).await;
    fixture.send(b"GET /denied HTTP/1.1\r\nhost: known\r\nconnection: close\r\n\r\n").await;
    fixture.send(b"GET / HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n").await;
    fixture.send(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    let labels = ["reporter", "source_workload", "destination_workload", "response_code"];
    let rows = fixture.rows("/api/v1/edges", "edges", 3, &labels).await;
    let expected = ["400", "403", "404"].map(|code| format!("destination unknown pay {code}"));
    assert_eq!(rows, expected);
    fixture.stop().await;
}

/// A request that a proxy answers itself has no cluster. In plain text, it still is of the
/// destination and from its caller.
#[tokio::test(flavor = "multi_thread")]
async fn access_logs_of_plain_text_answers_of_a_proxy_are_of_the_destination() {
    answers_of_the_proxy_itself(parts::path("HOPSCOPE_ENVOY")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_logs_of_plain_text_answers_of_a_proxy_are_of_the_destination_on_the_oldest_envoy() {
    answers_of_the_proxy_itself(parts::path("HOPSCOPE_ENVOY_OLDEST")).await;
}

/// Sends a request to the application, and compares protocol, status and failure of its row.
async fn check_status(path: &str, content_type: &str, expected: &str) {
    for envoy in ["HOPSCOPE_ENVOY", "HOPSCOPE_ENVOY_OLDEST"] {
        let fixture = Fixture::start(parts::path(envoy), "sidecar", None).await;
        let request = format!(
            "POST /{path} HTTP/1.1\r\nhost: app\r\ncontent-type: {content_type}\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
        fixture.send(request.as_bytes()).await;
        let labels = ["reporter", "request_protocol", "response_code", "grpc_response_status"];
        let rows = fixture.rows("/api/v1/edges", "edges", 1, &labels).await;
        assert_eq!(rows, [expected], "{envoy}");
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_logs_of_grpc_web_are_http() {
    check_status("200", "application/grpc-web+proto", "destination http 200 ").await;
    check_status("grpc/2", "application/grpc;charset=utf-8", "destination http 200 ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_logs_of_grpc_have_the_status_that_was_sent() {
    check_status("grpc/0", "application/grpc", "destination grpc 200 0").await;
    check_status("grpc/14", "application/grpc+proto", "destination grpc 200 14").await;
    check_status("grpc/none", "application/grpc", "destination grpc 200 ").await;
    for status in ["42", "-1", "abc"] {
        check_status(&format!("grpc/{status}"), "application/grpc", "destination grpc 200 invalid").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_logs_of_an_invalid_status_are_counted_as_invalid() {
    check_status("099", "text/plain", "destination http invalid ").await;
    check_status("799", "text/plain", "destination http invalid ").await;
}

/// Checks the reporter and the service of a TCP connection with a server name.
async fn check_server_name(kind: &str, cluster: &str, name: &str, expected: &str) {
    for envoy in ["HOPSCOPE_ENVOY", "HOPSCOPE_ENVOY_OLDEST"] {
        let fixture = Fixture::start(parts::path(envoy), kind, Some(cluster)).await;
        fixture.send(&client_hello(name)).await;
        let labels = ["reporter", "source_workload", "destination_service"];
        let rows = fixture.rows("/api/v1/tcp", "connections", 1, &labels).await;
        assert_eq!(rows, [expected], "{envoy}");
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_logs_of_tcp_egress_have_the_service_of_the_server_name() {
    check_server_name("sidecar", "PassthroughCluster", "api.stripe.com", "source pay api.stripe.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_logs_of_an_east_west_gateway_have_the_service_of_its_cluster() {
    check_server_name("router", EAST_WEST, EAST_WEST, "source pay payments.shop.svc.cluster.local").await;
}
