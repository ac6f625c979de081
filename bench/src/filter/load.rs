//! Requests to an Envoy, and their latencies.
//!
//! In: an address, a number of requests, a rate. Out: the latency of each request.
//! Invariant: the n-th request is the same in every run and arm; an unexpected answer is an error.
//! At a fixed rate, the latency of a delayed request counts from when it was due, so that a stall
//! is not hidden.

use super::bootstrap::SERVICES;
use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// One of 50 requests fails.
const FAILS_ONCE_IN: u64 = 50;
/// Connections at a fixed rate.
const CONNECTIONS: u64 = 4;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Sends requests one after the other on one connection.
pub(crate) async fn send(to: SocketAddr, requests: u64) -> anyhow::Result<()> {
    let mut connection = Connection::open(to).await?;
    for number in 0..requests {
        connection.exchange(number).await?;
    }
    Ok(())
}

/// Sends requests as fast as they are answered, on several connections at a time.
pub(crate) async fn send_at_once(to: SocketAddr, requests: u64, connections: u64) -> anyhow::Result<()> {
    let mut senders = JoinSet::new();
    for first in 0..connections {
        let mut connection = Connection::open(to).await?;
        senders.spawn(async move {
            for number in (first..requests).step_by(usize::try_from(connections)?) {
                connection.exchange(number).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(joined) = senders.join_next().await {
        joined??;
    }
    Ok(())
}

/// Sends `rate` requests per second and returns their latencies, µs.
pub(crate) async fn send_steadily(to: SocketAddr, requests: u64, rate: u64) -> anyhow::Result<Vec<u32>> {
    let mut connections = JoinSet::new();
    let start = Instant::now();
    for first in 0..CONNECTIONS {
        let mut connection = Connection::open(to).await?;
        connections.spawn(async move {
            let mut latencies_us = Vec::new();
            for number in (first..requests).step_by(CONNECTIONS as usize) {
                let due = start + Duration::from_micros(number * 1_000_000 / rate.max(1));
                let late = Instant::now() > due;
                sleep_until(due).await;
                // After a sleep, the timer's granularity is not part of the latency.
                let since = if late { due } else { Instant::now() };
                connection.exchange(number).await?;
                latencies_us.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            anyhow::Ok(latencies_us)
        });
    }
    let mut latencies_us = Vec::new();
    while let Some(joined) = connections.join_next().await {
        latencies_us.extend(joined??);
    }
    Ok(latencies_us)
}

/// A connection with one request at a time.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("failed to connect to {to}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = tokio::spawn(async {
            // A request on a broken connection fails by itself.
            let _ = connection.await;
        });
        Ok(Self { sender, host: to.to_string(), task: task.abort_handle() })
    }

    async fn exchange(&mut self, number: u64) -> anyhow::Result<()> {
        let fails = number % FAILS_ONCE_IN == FAILS_ONCE_IN - 1;
        let service = (number + number / SERVICES) % SERVICES;
        let path = format!("/{service}/{}", if fails { "fail" } else { "ok" });
        let request = Request::get(&path)
            .header("host", &self.host)
            .header("user-agent", "hopscope-bench")
            .header("traceparent", TRACE)
            .header("x-forwarded-proto", "http")
            .body(Empty::new())?;
        self.sender.ready().await?;
        let response =
            self.sender.send_request(request).await.with_context(|| format!("failed to get {path}"))?;
        let (status, expected) = (response.status().as_u16(), if fails { 503 } else { 200 });
        ensure!(status == expected, "{path} answered {status}");
        response.into_body().collect().await?;
        Ok(())
    }
}
