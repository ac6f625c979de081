//! A collector as a process of its own, that can be killed.

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

/// A running collector; it is killed when dropped.
pub(crate) struct Collector {
    child: Child,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    log: mpsc::Receiver<String>,
}

impl Collector {
    /// Starts one on ports of its own, and waits until it is ready.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        Self::spawn(folder, options).unwrap_or_else(|log| panic!("the collector did not get ready: {log}"))
    }

    /// Starts one; what it logged when it ended before it was ready.
    pub(crate) fn spawn(folder: &Path, options: &[&str]) -> Result<Self, String> {
        // A write over the limit on file sizes is to fail, not to kill.
        let script = r#"trap '' XFSZ; exec "$0" serve "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_hopscope")]);
        command.args(["--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--data-dir"]);
        command.arg(folder).args(options);
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

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) {
        rustix::process::kill_process(self.id(), rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// The largest file that the collector may write from now on.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(Some(self.id()), rustix::process::Resource::Fsize, limit).unwrap();
    }

    /// What it logged since it was ready.
    pub(crate) fn log(&self) -> String {
        self.log.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// All samples of `/metrics`.
    pub(crate) async fn metrics(&self) -> BTreeMap<String, f64> {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let samples = answer.lines().filter_map(|line| line.rsplit_once(' '));
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

/// The sum over a family, all labels.
pub(crate) fn sum(metrics: &BTreeMap<String, f64>, family: &str) -> u64 {
    let of = metrics.iter().filter(|(name, _)| name.split('{').next() == Some(family));
    let values: Vec<f64> = of.map(|(_, value)| *value).collect();
    assert!(!values.is_empty(), "no {family}");
    values.iter().sum::<f64>() as u64
}
