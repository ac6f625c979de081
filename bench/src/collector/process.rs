//! A collector under load, as a process of its own.
//!
//! In: the binary and its settings. Out: connections, HTTP answers, processor time, memory.
//! Invariant: the process ends with its [`Collector`].

use super::names::{GRPC_ADDRESS, HTTP_ADDRESS, Names};
use crate::kernel;
use anyhow::{Context, bail};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

/// Longest start; a collector under callgrind takes seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running collector.
pub(crate) struct Collector {
    child: Child,
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Drop for Collector {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Collector {
    /// Starts `hopscope serve` with these settings and waits until it is ready. `command` starts the
    /// binary, perhaps below another program.
    pub(crate) async fn start(
        binary: &Path,
        mut command: Command,
        settings: &[(Names, String)],
    ) -> anyhow::Result<Self> {
        let (grpc, http) = (free_address()?, free_address()?);
        let help = Command::new(binary).args(["serve", "--help"]).stdin(Stdio::null()).output();
        let help = help.with_context(|| format!("failed to start {}", binary.display()))?;
        let help = String::from_utf8_lossy(&help.stdout);
        command
            .arg("serve")
            .args([GRPC_ADDRESS.in_help(&help), &grpc.to_string()])
            .args([HTTP_ADDRESS.in_help(&help), &http.to_string()])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null());
        for (names, value) in settings {
            command.args([names.in_help(&help), value]);
        }
        Self::spawn(command, grpc, http, "/readyz").await
    }

    /// Starts a program that listens at both addresses once `ready` answers.
    pub(crate) async fn spawn(
        mut command: Command,
        grpc: SocketAddr,
        http: SocketAddr,
        ready: &str,
    ) -> anyhow::Result<Self> {
        let program = command.get_program().display().to_string();
        let child = command.spawn().with_context(|| format!("failed to start {program}"))?;
        let mut collector = Self { child, grpc, http };
        let start = Instant::now();
        while !collector.get(ready).await.is_ok_and(|answer| answer.contains(" 200 ")) {
            if let Some(status) = collector.child.try_wait()? {
                bail!("{program} ended ({status})");
            }
            if start.elapsed() > READY_WITHIN {
                bail!("{program} is not ready");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(collector)
    }

    pub(crate) async fn connect(&self, connections: usize) -> anyhow::Result<Vec<Channel>> {
        let mut channels = Vec::new();
        for _ in 0..connections {
            channels.push(Endpoint::from_shared(format!("http://{}", self.grpc))?.connect().await?);
        }
        Ok(channels)
    }

    /// Id of the process.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Address of the HTTP listener.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Processor time of all threads so far, seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        kernel::cpu_seconds(self.child.id())
    }

    /// Resident memory, bytes.
    pub(crate) fn memory_bytes(&self) -> anyhow::Result<u64> {
        kernel::memory_bytes(self.child.id())
    }

    /// Most resident memory so far, bytes.
    pub(crate) fn memory_peak_bytes(&self) -> anyhow::Result<u64> {
        kernel::memory_peak_bytes(self.child.id())
    }

    /// Head and body of an HTTP answer.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.http).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: bench\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Reads an HTTP answer, drops it and returns its size in bytes.
    ///
    /// The read runs in a task of its own, so that it does not delay the task that sends reports.
    pub(crate) async fn read(&self, path: &str, accept: &str) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(self.http).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: bench\r\naccept: {accept}\r\n\r\n");
        let read = async move {
            stream.write_all(request.as_bytes()).await?;
            let mut part = vec![0; 256 << 10];
            let mut bytes = 0;
            loop {
                match stream.read(&mut part).await? {
                    0 => return anyhow::Ok(bytes),
                    more => bytes += more as u64,
                }
            }
        };
        tokio::spawn(read).await?
    }

    /// Value of a sample without labels; 0 where there is none.
    pub(crate) async fn sample(&self, metric: Names) -> anyhow::Result<u64> {
        Ok(metric.sample(&self.get("/metrics?only=own").await?).unwrap_or(0))
    }
}

/// A free loopback address.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
