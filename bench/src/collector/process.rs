//! The collector under load, as the kernel sees it.
//!
//! In: the binary and its options. Out: a running process, its processor time and memory. Always holds: it ends with its
//! [`Collector`].

use crate::kernel;
use anyhow::{Context, bail};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

const READY_WITHIN: Duration = Duration::from_secs(30);

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
    pub(crate) async fn start(binary: &Path, options: &[String]) -> anyhow::Result<Self> {
        let (grpc, http) = (free_address()?, free_address()?);
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .args(["--grpc-address", &grpc.to_string(), "--http-address", &http.to_string()])
            .args(options)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null());
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

    /// Processor time of all threads so far, seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        kernel::cpu_seconds(self.child.id())
    }

    /// Resident memory, bytes.
    pub(crate) fn memory_bytes(&self) -> anyhow::Result<u64> {
        kernel::memory_bytes(self.child.id())
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.http).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: bench\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Asks for a path, in a task of its own: whoever sends reports meanwhile must not be the one who reads. The answer is not
    /// kept. Its bytes.
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

    /// The value of a sample without labels; 0 when there is none.
    pub(crate) async fn sample(&self, name: &str) -> anyhow::Result<u64> {
        let text = self.get("/metrics?only=own").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}

/// An address that nobody listens at.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
