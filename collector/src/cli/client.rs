//! HTTP client for a running collector.
//!
//! Invariant: a request ends within [`DEADLINE`] and reads at most [`BODY_BYTES_MAX`].

use super::list::List;
use crate::terminal::visible;
use anyhow::{Context, anyhow, bail};
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
    #[arg(long, env = "HOPSCOPE_COLLECTOR", default_value = "http://127.0.0.1:9464", value_name = "URL", value_parser = url)]
    collector: Uri,
}

/// Reads the address of a collector.
fn url(text: &str) -> Result<Uri, String> {
    let form = "the URL does not have the form http://HOST:PORT";
    let url: Uri = text.parse().map_err(|_| form.to_owned())?;
    let authority = url.authority().ok_or(form)?;
    if url.scheme_str() != Some("http") || authority.host().is_empty() {
        return Err(form.to_owned());
    }
    let behind_host =
        authority.as_str().rsplit('@').next().and_then(|host| host.strip_prefix(authority.host()));
    match behind_host {
        Some("") => {}
        Some(port) if authority.port_u16().is_some_and(|port| port > 0) && port.starts_with(':') => {}
        _ => return Err(format!("the port of {} is no number from 1 to 65535", visible(text))),
    }
    Ok(url)
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
        let read = serde_json::from_slice(&body).map_err(|error| anyhow!(visible(&error.to_string())));
        read.with_context(|| format!("failed to read the answer to {path}"))
    }

    async fn fetch(&self, path: &str) -> anyhow::Result<Bytes> {
        let host = self.collector.host().context("the URL has no host")?;
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
            bail!("the answer is {status}: {}", visible(String::from_utf8_lossy(&body).trim()));
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn a_url_has_a_host_and_a_valid_port() {
        for text in
            ["http://localhost", "http://10.0.0.1:9464", "http://[::1]:80", "http://[::1]", "http://a/"]
        {
            assert!(url(text).is_ok(), "{text}");
        }
        for text in ["http://a:99999", "http://a:0", "http://a:", "http://[::1]:99999"] {
            let problem = url(text).unwrap_err();
            assert!(
                problem.contains("no number from 1 to 65535") || problem.contains("form"),
                "{text}: {problem}"
            );
        }
        for text in ["https://a", "localhost:9464", "a", "", "http://"] {
            assert!(url(text).unwrap_err().contains("http://HOST:PORT"), "{text}");
        }
    }
}
