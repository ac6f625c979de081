//! The client outside of the mesh.
//!
//! In: a fault, or none. Out: the requests to the gateway that the fault needs, and their answers.
//! Invariant: the client has an address of its own; a request ends within 30 s; a client that
//! disconnects early has sent the whole head before, so that every proxy on the path counts the
//! request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time;

use crate::fault::{self, Fault};
use crate::repeat::{self, Repeat};
use crate::topology::{ClientBehavior, Topology};

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Idle connections to the gateway.
const IDLE_MAX: usize = 256;

/// Longest answer.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Authority and path of a user's request.
const AUTHORITY: &str = "shop.example.com";
const PATH: &str = "/buy";

/// Result of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status; none when the client disconnected or the connection broke.
    pub status: Option<u16>,
    /// Duration of the request.
    pub took: Duration,
}

/// A client; a clone shares its connections.
#[derive(Debug, Clone)]
pub struct Client {
    topology: Arc<Topology>,
    gateway: SocketAddr,
    address: Ipv4Addr,
    pool: legacy::Client<HttpConnector, Empty<Bytes>>,
    repeat: Repeat,
}

impl Client {
    /// A client that calls `gateway` from `address`.
    pub fn new(topology: Arc<Topology>, gateway: SocketAddr, address: Ipv4Addr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some(IpAddr::V4(address)));
        connector.set_nodelay(true);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        let pool = builder.pool_max_idle_per_host(IDLE_MAX).build(connector);
        Self { topology, gateway, address, pool, repeat: Repeat::Once }
    }

    /// Sets how often every application calls for a request of this client.
    #[must_use]
    pub fn repeating(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    /// Number of parallel requests that a fault needs.
    pub fn burst(&self, fault: Option<Fault>) -> u32 {
        self.behavior(fault).burst.unwrap_or(1)
    }

    /// Sends the requests that a fault needs, at most `limit`: one or several in parallel, and
    /// disconnects early where that is the cause. Without a fault, sends one normal request.
    pub async fn send(&self, fault: Option<Fault>, limit: u32) -> Vec<Answer> {
        let mut burst = JoinSet::new();
        for _ in 0..self.burst(fault).min(limit) {
            let client = self.clone();
            burst.spawn(async move { client.request(fault).await });
        }
        burst.join_all().await
    }

    /// Sends one request.
    pub async fn request(&self, fault: Option<Fault>) -> Answer {
        let start = Instant::now();
        let status = match self.behavior(fault).leaves_after_ms {
            Some(patience_ms) => self.disconnect(fault, Duration::from_millis(patience_ms)).await,
            None => {
                time::timeout(DEADLINE, self.complete(fault)).await.unwrap_or_else(|late| Err(late.into()))
            }
        };
        Answer { status: status.ok(), took: start.elapsed() }
    }

    fn behavior(&self, fault: Option<Fault>) -> ClientBehavior {
        let cause = fault.and_then(|fault| self.topology.cause(fault).ok());
        cause.map(|cause| cause.client).unwrap_or_default()
    }

    async fn complete(&self, fault: Option<Fault>) -> Result<u16> {
        let uri = format!("http://{}{PATH}", self.gateway);
        let mut request = Request::get(uri).header(header::HOST, AUTHORITY);
        if let Some(fault) = fault {
            request = request.header(fault::HEADER, fault.name());
        }
        if self.repeat != Repeat::Once {
            request = request.header(repeat::HEADER, self.repeat.name());
        }
        let response = self.pool.request(request.body(Empty::new())?).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        body.map_err(anyhow::Error::from_boxed)?;
        Ok(status)
    }

    /// Sends a request on a connection of its own, which makes sure that the whole head was sent.
    async fn disconnect(&self, fault: Option<Fault>, patience: Duration) -> Result<u16> {
        let mut stream = time::timeout(DEADLINE, self.connect()).await??;
        let named = fault.map(|fault| format!("{}: {fault}\r\n", fault::HEADER)).unwrap_or_default();
        let head = format!("GET {PATH} HTTP/1.1\r\nhost: {AUTHORITY}\r\n{named}\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = [0; "HTTP/1.1 200".len()];
        time::timeout(patience, stream.read_exact(&mut answer)).await??;
        let status = std::str::from_utf8(&answer)?.rsplit(' ').next().context("the answer is empty")?;
        Ok(status.parse()?)
    }

    async fn connect(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.address, 0).into())?;
        Ok(socket.connect(self.gateway).await?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_that_disconnects_has_sent_the_whole_head() {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let topology = Arc::new(Topology::shipped().unwrap());
        let client = Client::new(topology, gateway.local_addr().unwrap(), Ipv4Addr::new(127, 0, 0, 9));
        let request = tokio::spawn(async move { client.request(Some(Fault::Dc)).await });

        let (mut stream, peer) = gateway.accept().await.unwrap();
        assert_eq!(peer.ip(), Ipv4Addr::new(127, 0, 0, 9));
        let mut head = String::new();
        stream.read_to_string(&mut head).await.unwrap();
        assert_eq!(head, "GET /buy HTTP/1.1\r\nhost: shop.example.com\r\nx-fault: DC\r\n\r\n");
        let answer = request.await.unwrap();
        assert_eq!(answer.status, None);
        assert!(answer.took >= Duration::from_millis(150));
    }

    #[tokio::test]
    async fn an_answer_before_the_disconnect_counts() {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let topology = Arc::new(Topology::shipped().unwrap());
        let client = Client::new(topology, gateway.local_addr().unwrap(), Ipv4Addr::LOCALHOST);
        assert_eq!((client.burst(Some(Fault::Uo)), client.burst(None)), (6, 1));
        let request = tokio::spawn(async move { client.send(Some(Fault::Dc), 5).await });

        let (mut stream, _) = gateway.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await.unwrap();
        assert_eq!(request.await.unwrap()[0].status, Some(503));
    }
}
