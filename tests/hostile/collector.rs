//! Collector in a process of its own.

use hopscope_proto::v1::telemetry_client::TelemetryClient;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};

/// Limit on one request to the HTTP server.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses of a collector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Target {
    /// Connects a client.
    pub(crate) async fn client(&self) -> Result<TelemetryClient<Channel>, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap();
        endpoint.connect().await.map(TelemetryClient::new)
    }

    /// Asks for a path; returns the answer.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.http, HTTP_TIMEOUT)?;
        stream.set_read_timeout(Some(HTTP_TIMEOUT))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// Running collector; killed when dropped.
pub(crate) struct Collector {
    child: Child,
    pub(crate) target: Target,
    directory: tempfile::TempDir,
}

impl Collector {
    /// Starts the program of `HOPSCOPE_COLLECTOR` with default limits and a journal.
    pub(crate) fn start() -> Self {
        let program = std::env::var("HOPSCOPE_COLLECTOR").unwrap_or_else(|_| {
            panic!("HOPSCOPE_COLLECTOR names no collector; `cargo xtask soak hostile` sets it")
        });
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args(["serve", "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let target = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = |name: &str| line.split(name).nth(1)?.split(' ').next()?.parse().ok();
            Some(Target { grpc: address("grpc=")?, http: address("http=")? })
        });
        // The log must be read to its end, or the collector would wait.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, target: target.unwrap(), directory }
    }

    /// Resident memory, and its peak, MiB.
    pub(crate) fn memory_mib(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Time of an answer of `/healthz`; the limit of a request when there is none.
    pub(crate) fn health_time(&self) -> Duration {
        let asked = Instant::now();
        match self.target.get("/healthz") {
            Ok(answer) if answer.contains(" 200 ") => asked.elapsed(),
            _ => HTTP_TIMEOUT,
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.directory.path();
    }
}
