//! One GET to a running collector.
//!
//! In: its address and a path. Out: a JSON document. Always holds: it ends within [`DEADLINE`], and reads no more than
//! [`BODY_BYTES_MAX`].

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

/// Which collector to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Collector {
    /// The HTTP address of the collector.
    #[arg(long, env = "HOPSCOPE_COLLECTOR", default_value = "http://127.0.0.1:9464", value_name = "URL")]
    collector: Uri,
}

impl Collector {
    /// Gets a document.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let asked = tokio::time::timeout(DEADLINE, self.fetch(path)).await;
        let body = asked.map_err(anyhow::Error::from).flatten();
        let body = body.with_context(|| {
            format!("failed to ask the collector at {}; name another with --collector", self.collector)
        })?;
        serde_json::from_slice(&body).with_context(|| format!("failed to read the answer to {path}"))
    }

    async fn fetch(&self, path: &str) -> anyhow::Result<Bytes> {
        let host = self.collector.host().context("the URL names no host")?;
        if self.collector.scheme_str() != Some("http") {
            bail!("the URL is not http://HOST:PORT");
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
            bail!("it answered {status}: {}", String::from_utf8_lossy(&body).trim());
        }
        Ok(body)
    }
}
