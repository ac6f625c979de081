//! HTTP client for a running collector.
//!
//! Invariant: a request ends within [`DEADLINE`] and reads at most [`BODY_BYTES_MAX`].

use super::list::List;
use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 256 << 20;
/// Rows of a page; the most that the collector returns.
const PAGE_ROWS: usize = 10_000;

/// Which collector to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Collector {
    /// HTTP address of the collector.
    #[arg(long, env = "HOPSCOPE_COLLECTOR", default_value = "http://127.0.0.1:9464", value_name = "URL")]
    collector: Uri,
}

impl Collector {
    /// Reads all pages of a list.
    pub(super) async fn list<T: List>(&self, path: &str) -> anyhow::Result<T> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}limit={PAGE_ROWS}");
        let mut all: T = self.get(&path).await?;
        while let Some(cursor) = all.take_cursor() {
            all.append(self.get(&format!("{path}&cursor={cursor}")).await?);
        }
        Ok(all)
    }

    /// Reads one document.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = tokio::time::timeout(DEADLINE, self.fetch(path)).await;
        let body = answer.map_err(anyhow::Error::from).flatten();
        let body = body.with_context(|| {
            format!("failed to ask the collector at {}; set its address with --collector", self.collector)
        })?;
        serde_json::from_slice(&body).with_context(|| format!("failed to read the answer to {path}"))
    }

    async fn fetch(&self, path: &str) -> anyhow::Result<Bytes> {
        let host = self.collector.host().context("the URL has no host")?;
        if self.collector.scheme_str() != Some("http") {
            bail!("the URL does not have the form http://HOST:PORT");
        }
        let port = self.collector.port_u16().unwrap_or(9464);
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request =
            Request::get(path).header(header::HOST, format!("{host}:{port}")).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        connection.abort();
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        if !status.is_success() {
            bail!("the answer is {status}: {}", String::from_utf8_lossy(&body).trim());
        }
        Ok(body)
    }
}
