//! Raw HTTP/2 frames, for clients that break rules. Source: RFC 9113 and RFC 7541.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Method of reports.
pub(crate) const REPORT: &str = "/hopscope.v1.Telemetry/Report";
/// Method of access logs.
pub(crate) const LOG: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const END_HEADERS: u8 = 4;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Preface and empty SETTINGS.
pub(crate) fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

/// Head of a call on a stream.
pub(crate) fn call(stream: u32, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // Static table: `:method POST`, `:scheme http`, the names `:path`, `:authority`, `content-type`.
    let head = [
        vec![0x83, 0x86, 0x04],
        text(path),
        vec![0x01],
        text("collector"),
        vec![0x0f, 0x10],
        text("application/grpc"),
        vec![0x00],
        text("te"),
        text("trailers"),
    ];
    frame(HEADERS, END_HEADERS, stream, &head.concat())
}

/// Bytes of a message on a stream, which stays open.
pub(crate) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

/// Connects and writes bytes; `None` when the server closes.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = timeout(Duration::from_secs(2), TcpStream::connect(address)).await.ok()?.ok()?;
    let written = timeout(Duration::from_secs(2), stream.write_all(bytes)).await;
    written.ok()?.ok().map(|()| stream)
}

/// Opens connections that write these bytes and then hold still.
pub(crate) async fn hold(address: SocketAddr, bytes: &[u8], connections: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..connections {
        held.extend(send(address, bytes).await);
    }
    held
}
