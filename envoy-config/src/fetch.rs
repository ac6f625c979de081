//! HTTP GET requests: admin pages of Envoys, the collector's JSON.
//!
//! In: an address and a path. Out: status and body.
//! Invariant: a request ends within [`DEADLINE`] and reads at most [`BODY_BYTES_MAX`].

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time;

use crate::eventually::PAUSE;

/// Longest wait for one page.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Largest page.
pub const BODY_BYTES_MAX: usize = 64 << 20;

/// Most pages of one list.
pub const PAGES_MAX: usize = 10_000;

/// Field with the cursor of the next page.
pub const NEXT_CURSOR: &str = "next_cursor";

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
pub async fn json(server: SocketAddr, path: &str) -> Result<Value> {
    let body = text(server, path).await?;
    serde_json::from_str(&body).with_context(|| format!("http://{server}{path} is not JSON"))
}

/// Fetches the rows of a list, over all its pages.
///
/// # Errors
/// As [`json`], when a page has no array `field`, and when the list has more than [`PAGES_MAX`] pages.
pub async fn list(server: SocketAddr, path: &str, field: &str) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut query = String::new();
    for _ in 0..PAGES_MAX {
        let mut page = json(server, &format!("{path}{query}")).await?;
        let Some(Value::Array(more)) = page.get_mut(field).map(Value::take) else {
            bail!("http://{server}{path} has no list `{field}`");
        };
        rows.extend(more);
        match next_cursor(page.get(NEXT_CURSOR)) {
            Some(cursor) => query = format!("?cursor={}", query_value(&cursor)),
            None => return Ok(rows),
        }
    }
    bail!("http://{server}{path} has more than {PAGES_MAX} pages")
}

/// Text of the cursor in a page's field [`NEXT_CURSOR`]; none on the last page.
pub fn next_cursor(field: Option<&Value>) -> Option<String> {
    match field? {
        Value::Null => None,
        Value::String(cursor) => Some(cursor.clone()),
        cursor => Some(cursor.to_string()),
    }
}

/// Encodes a text as the value of a query parameter (RFC 3986, section 2.1).
pub fn query_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request per connection; returns the request lines.
    async fn serve(listener: TcpListener, pages: Vec<&'static str>) -> Vec<String> {
        let mut lines = Vec::new();
        for page in pages {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1024];
            let count = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..count]).into_owned();
            lines.push(head.lines().next().unwrap().to_owned());
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        lines
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_last_page() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let pages = vec![r#"{"edges":[1,2],"next_cursor":"a/b"}"#, r#"{"edges":[3],"next_cursor":null}"#];
        let served = tokio::spawn(serve(listener, pages));
        assert_eq!(list(server, "/api/v1/edges", "edges").await.unwrap(), [1, 2, 3]);
        assert_eq!(
            served.await.unwrap(),
            ["GET /api/v1/edges HTTP/1.1", "GET /api/v1/edges?cursor=a%2Fb HTTP/1.1"]
        );
    }

    #[tokio::test]
    async fn an_answer_without_the_list_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let served = tokio::spawn(serve(listener, vec![r#"{"hops":[]}"#]));
        let error = list(server, "/api/v1/edges", "edges").await.unwrap_err();
        assert!(error.to_string().contains("no list `edges`"), "{error}");
        served.await.unwrap();
    }
}
