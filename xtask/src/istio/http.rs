//! A minimal HTTP client.
//!
//! Invariant: plain HTTP/1.1 within the machine, with a time limit and a new connection for each
//! request.

use anyhow::Context;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest response, bytes.
const RESPONSE_BYTES_MAX: u64 = 64 << 20;

/// A response.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Sends a GET request.
pub(super) fn get(host: &str, port: u16, path: &str) -> anyhow::Result<Response> {
    let address: SocketAddr = format!("{host}:{port}").parse()?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n")?;
    let mut response = Vec::new();
    stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut response)?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").context("the response has no head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Ok(Response { status: status.context("the response has no status")?, body })
}

/// Sends a GET request and parses the JSON response.
pub(super) fn json<T: DeserializeOwned>(host: &str, port: u16, path: &str) -> anyhow::Result<T> {
    let response = get(host, port, path)?;
    serde_json::from_str(&response.body)
        .with_context(|| format!("failed to parse the JSON of {path}: {}", response.body))
}

fn unchunked(body: &str) -> String {
    let (mut rest, mut joined) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else { break };
        joined.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    joined
}

#[cfg(test)]
mod tests {
    #[test]
    fn chunks_are_joined() {
        assert_eq!(super::unchunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
        assert_eq!(super::unchunked(""), "");
        assert_eq!(super::unchunked("ff\r\nshort"), "");
    }
}
