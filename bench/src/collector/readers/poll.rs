//! Requests of one reader.
//!
//! In: a path. Out: status, size and cursor of the answer.
//! Invariant: a body is read to its end; at most [`BODY_BYTES_MAX`] of it are kept, to find a
//! cursor; a request ends within [`READ_WITHIN`].

use super::super::scrape::Scrape;
use anyhow::Context;
use hopscope_mesh::fetch;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest wait for one answer.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// Largest body in which a cursor is sought: a page of 1,000 rows is smaller. Larger answers are
/// not kept.
const BODY_BYTES_MAX: usize = 16 << 20;

/// The HTTP client of one reader; it keeps its connection open between two requests.
#[derive(Debug, Clone)]
pub(super) struct Client(legacy::Client<HttpConnector, Empty<Bytes>>);

impl Default for Client {
    fn default() -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        Self(builder.pool_max_idle_per_host(1).build(HttpConnector::new()))
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Size of the body.
    pub(super) bytes: u64,
    /// The body; empty where it is larger than [`BODY_BYTES_MAX`].
    pub(super) body: Vec<u8>,
}

/// The part of a page that names the next one.
#[derive(Deserialize)]
struct Page {
    next_cursor: Option<serde_json::Value>,
}

impl Answer {
    /// Cursor of the next page; none on the last page and in an answer without pages.
    pub(super) fn next_cursor(&self) -> Option<String> {
        let page: Page = serde_json::from_slice(&self.body).ok()?;
        fetch::next_cursor(page.next_cursor.as_ref())
    }
}

/// Sends one request.
pub(super) async fn get(client: &Client, server: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let answer = tokio::time::timeout(READ_WITHIN, request(client, server, path)).await;
    answer
        .with_context(|| format!("{path}: no answer in time"))?
        .with_context(|| format!("failed to get {path}"))
}

async fn request(client: &Client, server: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let request = Request::get(format!("http://{server}{path}"));
    let request = request.header(header::ACCEPT, Scrape::Protobuf.accept()).body(Empty::new())?;
    let response = client.0.request(request).await?;
    let status = response.status();
    let mut stream = response.into_body();
    let (mut bytes, mut body) = (0_u64, Vec::new());
    while let Some(frame) = stream.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        bytes += part.len() as u64;
        if bytes <= BODY_BYTES_MAX as u64 {
            body.extend_from_slice(&part);
        } else {
            body = Vec::new();
        }
    }
    Ok(Answer { status, bytes, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_text_or_a_number_or_missing() {
        let check = |body: &str, expected: Option<&str>| {
            let answer = Answer { status: StatusCode::OK, bytes: 0, body: body.into() };
            assert_eq!(answer.next_cursor().as_deref(), expected, "{body}");
        };
        check(r#"{"edges":[{"next_cursor":"no"}],"next_cursor":"a/b"}"#, Some("a/b"));
        check(r#"{"next_cursor":17,"hops":[]}"#, Some("17"));
        check(r#"{"hops":[],"next_cursor":null}"#, None);
        check(r#"{"hops":[]}"#, None);
        check("", None);
    }
}
