//! Clients of the source's Envoy.
//!
//! In: a listener. Out: bytes in both directions over TCP, WebSocket or a CONNECT tunnel, statuses
//! of HTTP and gRPC.
//! Invariant: a call ends within 30 s.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time;

use super::application::{STREAM, STREAM_MESSAGES};

/// Longest wait.
const DEADLINE: Duration = Duration::from_secs(30);

/// Bytes of a TCP message's header, which count as sent bytes.
pub const GREETING_BYTES: u32 = super::application::GREETING_BYTES as u32;

/// A connection.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    /// When nothing listens.
    pub async fn open(listener: SocketAddr) -> Result<Self> {
        Ok(Self(time::timeout(DEADLINE, TcpStream::connect(listener)).await??))
    }

    /// Sends bytes, [`GREETING_BYTES`] of them a header, and waits for the answer.
    ///
    /// # Errors
    /// When the answer does not arrive.
    pub async fn exchange(&mut self, sent: u32, wanted: u32) -> Result<()> {
        let follow = sent.checked_sub(GREETING_BYTES).context("fewer bytes than a greeting has")?;
        let greeting = [follow.to_be_bytes(), wanted.to_be_bytes()].concat();
        self.0.write_all(&greeting).await?;
        self.0.write_all(&vec![b'y'; follow as usize]).await?;
        let mut answer = vec![0; wanted as usize];
        time::timeout(DEADLINE, self.0.read_exact(&mut answer)).await??;
        Ok(())
    }

    /// Waits until the other side has closed.
    ///
    /// # Errors
    /// When the connection stays open.
    pub async fn closed(mut self) -> Result<()> {
        // A reset closes the connection as well.
        time::timeout(DEADLINE, self.0.read(&mut [0])).await?.ok();
        Ok(())
    }

    /// Sends invalid bytes.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_garbage(mut self) -> Result<Self> {
        self.0.write_all(&[0; 64]).await?;
        Ok(self)
    }

    /// Upgrades to WebSocket.
    ///
    /// # Errors
    /// When the upgrade is rejected.
    pub async fn upgrade(&mut self) -> Result<()> {
        let head = "GET /ws HTTP/1.1\r\nhost: payments.shop.svc.cluster.local:8080\r\nconnection: upgrade\r\n\
                    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n\r\n";
        self.0.write_all(head.as_bytes()).await?;
        let answer = self.head().await?;
        ensure!(answer.starts_with("HTTP/1.1 101 "), "no WebSocket: {answer}");
        Ok(())
    }

    /// Opens a CONNECT tunnel to the application's TCP port.
    ///
    /// # Errors
    /// When the tunnel is rejected.
    pub async fn connect(&mut self) -> Result<()> {
        let head = "CONNECT payments.shop.svc.cluster.local:9000 HTTP/1.1\r\n\
                    host: payments.shop.svc.cluster.local:9000\r\n\r\n";
        self.0.write_all(head.as_bytes()).await?;
        let answer = self.head().await?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "no tunnel: {answer}");
        Ok(())
    }

    /// Sends bytes over a WebSocket and waits for their echo.
    ///
    /// # Errors
    /// When the echo does not arrive.
    pub async fn echo(&mut self, bytes: usize) -> Result<()> {
        self.0.write_all(&vec![b'z'; bytes]).await?;
        let mut answer = vec![0; bytes];
        time::timeout(DEADLINE, self.0.read_exact(&mut answer)).await??;
        Ok(())
    }

    /// Sends a request on the open connection and returns the head of the answer.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn get(&mut self) -> Result<String> {
        self.get_with("").await
    }

    /// Sends a request with additional headers, each with its end of line.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn get_with(&mut self, headers: &str) -> Result<String> {
        let head = format!("GET / HTTP/1.1\r\nhost: payments.shop.svc.cluster.local:8080\r\n{headers}\r\n");
        self.0.write_all(head.as_bytes()).await?;
        let answer = self.head().await?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "no answer: {answer}");
        time::timeout(DEADLINE, self.0.read_exact(&mut [0; 3])).await??;
        Ok(answer)
    }

    /// Sends a request for a path and returns the response code; the body is not read.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn code_of(mut self, path: &str) -> Result<String> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: payments.shop.svc.cluster.local:8080\r\n\r\n");
        self.0.write_all(head.as_bytes()).await?;
        Ok(self.head().await?.split(' ').nth(1).context("no response code")?.to_owned())
    }

    async fn head(&mut self) -> Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(time::timeout(DEADLINE, self.0.read_u8()).await??);
        }
        Ok(String::from_utf8(head)?)
    }
}

/// Messages that a gRPC call sends; it receives one.
pub const MESSAGES: usize = 3;

/// Makes a gRPC call that ends with this status; returns the HTTP status and that of the trailers.
///
/// # Errors
/// When there is no answer, or the answer has no trailers.
pub async fn grpc(listener: SocketAddr, status: u16) -> Result<(u16, u16)> {
    let (code, status) = call(listener, &status.to_string(), "application/grpc").await?;
    Ok((code, status.context("no grpc-status")?.parse()?))
}

/// Makes a call with this content type, which the application ends with this text as the gRPC
/// status; returns the HTTP status and the text in the trailers.
///
/// # Errors
/// When there is no answer.
pub async fn call(listener: SocketAddr, status: &str, content_type: &str) -> Result<(u16, Option<String>)> {
    let (response, _sender, connection) = send(listener, status, content_type).await?;
    let code = response.status().as_u16();
    let body = time::timeout(DEADLINE, response.into_body().collect()).await??;
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
    let status = status.map(|status| anyhow::Ok(status.to_str()?.to_owned())).transpose()?;
    connection.abort();
    Ok((code, status))
}

/// Makes a gRPC call, and resets it after the first messages of the response.
///
/// # Errors
/// When the messages do not arrive.
pub async fn cancel(listener: SocketAddr) -> Result<()> {
    let (response, sender, connection) = send(listener, STREAM, "application/grpc").await?;
    let mut body = response.into_body();
    let mut received = 0;
    while received < STREAM_MESSAGES * 5 {
        let frame = time::timeout(DEADLINE, body.frame()).await?.context("the stream has ended")??;
        received += frame.data_ref().map_or(0, Bytes::len);
    }
    // The connection ends after it has sent the reset.
    drop((body, sender));
    time::timeout(DEADLINE, connection).await??.ok();
    Ok(())
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn send(
    listener: SocketAddr,
    status: &str,
    content_type: &str,
) -> Result<(Response<Incoming>, Sender, JoinHandle<hyper::Result<()>>)> {
    let stream = time::timeout(DEADLINE, TcpStream::connect(listener)).await??;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://payments.shop.svc.cluster.local/grpc.Test/{status}"))
        .header(header::CONTENT_TYPE, content_type)
        .header(header::TE, "trailers")
        .body(Full::new(Bytes::from_static(&[0; 5 * MESSAGES])))?;
    let response = time::timeout(DEADLINE, sender.send_request(request)).await??;
    Ok((response, sender, connection))
}
