//! Collector in a process of its own, which a test can kill.

use hopscope_proto::v1::telemetry_client::TelemetryClient;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

const DEADLINE: Duration = Duration::from_secs(30);

/// Running collector; killed when dropped.
pub(crate) struct Collector {
    child: Child,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    log: mpsc::Receiver<String>,
}

impl Collector {
    /// Starts a collector on free ports, and waits until it is ready.
    pub(crate) fn start(directory: &Path, options: &[&str]) -> Self {
        Self::spawn(directory, options).unwrap_or_else(|log| panic!("the collector is not ready: {log}"))
    }

    /// Starts a collector; returns its log when it ends before it is ready.
    pub(crate) fn spawn(directory: &Path, options: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hopscope"));
        command.arg("serve");
        command.args(["--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--data-dir"]);
        command.arg(directory).args(["--http-created-samples", "true"]).args(options);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (lines, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let mut before = Vec::new();
        while let Ok(line) = log.recv_timeout(DEADLINE) {
            let address = |name: &str| line.split(name).nth(1)?.split(' ').next()?.parse().ok();
            if let (Some(grpc), Some(http)) = (address("grpc="), address("http=")) {
                return Ok(Self { child, grpc, http, log });
            }
            before.push(line);
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(before.join("\n"))
    }

    pub(crate) async fn client(&self) -> TelemetryClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap();
        TelemetryClient::new(endpoint.connect().await.unwrap())
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) {
        rustix::process::kill_process(self.id(), rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Limits the size of files that the collector writes; `None` removes the limit.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(Some(self.id()), rustix::process::Resource::Fsize, limit).unwrap();
    }

    /// Log since the collector was ready.
    pub(crate) fn log(&self) -> String {
        self.log.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// Samples of `/metrics` in the text format.
    pub(crate) async fn metrics(&self) -> BTreeMap<String, f64> {
        self.scrape("text/plain").await
    }

    /// Samples of `/metrics` in OpenMetrics, which has creation times.
    pub(crate) async fn open_metrics(&self) -> BTreeMap<String, f64> {
        self.scrape("application/openmetrics-text; version=1.0.0").await
    }

    /// Head and body of an HTTP answer.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.ask(path, "*/*").await
    }

    async fn ask(&self, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn scrape(&self, accept: &str) -> BTreeMap<String, f64> {
        let answer = self.ask("/metrics", accept).await;
        // An exemplar follows a sample after `#`.
        let lines = answer.lines().map(|line| line.split(" # ").next().unwrap_or(line));
        let samples = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    fn id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sum of a family over all labels.
pub(crate) fn sum(metrics: &BTreeMap<String, f64>, family: &str) -> u64 {
    let of = metrics.iter().filter(|(name, _)| name.split('{').next() == Some(family));
    let values: Vec<f64> = of.map(|(_, value)| *value).collect();
    assert!(!values.is_empty(), "no {family}");
    values.iter().sum::<f64>() as u64
}
