//! One question over HTTP, one answer.
//!
//! In: an address and a path. Out: status and body. Always holds: plain HTTP/1.1 within the machine, a time limit, a new
//! connection each time.

use anyhow::Context;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer, bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Asks.
pub(super) fn get(host: &str, port: u16, path: &str) -> anyhow::Result<Answer> {
    let address: SocketAddr = format!("{host}:{port}").parse()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Ok(Answer { status: status.context("the answer has no status")?, body })
}

/// Asks for JSON.
pub(super) fn json<T: DeserializeOwned>(host: &str, port: u16, path: &str) -> anyhow::Result<T> {
    let answer = get(host, port, path)?;
    serde_json::from_str(&answer.body).with_context(|| format!("{path} gave no such JSON: {}", answer.body))
}

fn unchunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else { break };
        whole.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    whole
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
