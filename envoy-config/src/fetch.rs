//! HTTP GET requests: admin pages of Envoys, the collector's JSON.
//!
//! In: an address and a path. Out: status and body.
//! Invariant: a request ends within [`DEADLINE`] and reads at most [`BODY_BYTES_MAX`].

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time;

use crate::eventually::PAUSE;

/// Longest wait for one page.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Largest page.
pub const BODY_BYTES_MAX: usize = 64 << 20;

/// Fetches a page with any status.
///
/// # Errors
/// When there is no answer in time, or the answer is too large or not text.
pub async fn page(server: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    let fetched = time::timeout(DEADLINE, fetch(server, path)).await;
    let fetched = fetched.map_err(anyhow::Error::from).and_then(|inner| inner);
    fetched.with_context(|| format!("failed to get http://{server}{path}"))
}

/// Waits until a page answers 200.
pub async fn until_ok(server: SocketAddr, path: &str) {
    while !page(server, path).await.is_ok_and(|(status, _)| status == StatusCode::OK) {
        time::sleep(PAUSE).await;
    }
}

/// Fetches a page with the status 200.
///
/// # Errors
/// As [`page`], and when the status is not 200.
pub async fn text(server: SocketAddr, path: &str) -> Result<String> {
    let (status, body) = page(server, path).await?;
    ensure!(status == StatusCode::OK, "http://{server}{path} answered {status}: {}", body.trim());
    Ok(body)
}

/// Fetches a JSON document.
///
/// # Errors
/// As [`text`], and when the page is not JSON.
pub async fn json(server: SocketAddr, path: &str) -> Result<serde_json::Value> {
    let body = text(server, path).await?;
    serde_json::from_str(&body).with_context(|| format!("http://{server}{path} is not JSON"))
}

async fn fetch(server: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = Background(tokio::spawn(connection).abort_handle());
    let request = Request::get(path).header(header::HOST, server.to_string()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

/// A task that ends with its scope.
struct Background(AbortHandle);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}
