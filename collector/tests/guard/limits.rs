//! Slow and broken clients: each limit with its answer and its counter.

use super::harness::{Collector, PATIENCE, batch, report, send};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prost::Message;
use prost::bytes::Bytes;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codegen::{Service, http};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Body that stops after its first bytes and never ends.
struct Stalled(Option<Bytes>);

impl HttpBody for Stalled {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Announces a message of `announced` bytes at `path`, sends `sent` of them, and returns the
/// answer.
async fn stall(mut channel: Channel, path: &'static str, announced: u32, sent: usize) -> Status {
    let mut bytes = vec![0];
    bytes.extend(announced.to_be_bytes());
    bytes.resize(5 + sent, 0);
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(Stalled(Some(bytes.into()))))
        .unwrap();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = tokio::time::timeout(PATIENCE, channel.call(request)).await.unwrap().unwrap();
    Status::from_header_map(response.headers()).unwrap()
}

const REPORT: &str = "/hopscope.v1.Telemetry/Report";
const LOG: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// Whether the server closes the connection.
async fn closes(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn a_silent_client_and_another_protocol_are_disconnected() {
    let collector = Collector::start(&["--handshake-timeout-ms", "100"]).await;
    let silent = TcpStream::connect(collector.grpc).await.unwrap();
    assert!(closes(silent).await);
    assert_eq!(collector.unserved("slow").await, 1);
    let mut wrong = TcpStream::connect(collector.grpc).await.unwrap();
    wrong.write_all(b"GET / HTTP/1.1\r\nhost: collector\r\n\r\n").await.unwrap();
    assert!(closes(wrong).await);
    assert_eq!(collector.unserved("protocol").await, 1);
    collector.until("hopscope_grpc_open_connections", 0).await;
    collector.stop().await;
}

#[tokio::test]
async fn a_client_without_ping_answers_is_disconnected() {
    let keepalive = ["--keepalive-interval-ms", "100", "--keepalive-timeout-ms", "100"];
    let collector = Collector::start(&keepalive).await;
    let mut stream = TcpStream::connect(collector.grpc).await.unwrap();
    // A valid preface and empty SETTINGS, then silence.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    assert!(closes(stream).await);
    collector.until("hopscope_grpc_open_connections", 0).await;
    collector.stop().await;
}

#[tokio::test]
async fn a_stalled_message_is_rejected_and_released() {
    let collector = Collector::start(&["--message-timeout-ms", "200"]).await;
    let channel = collector.client().await;
    for (number, path) in (1..).zip([REPORT, LOG]) {
        let began = Instant::now();
        let status = stall(channel.clone(), path, 100_000, 50_000).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("200 ms"), "{status:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(collector.rejected("slow").await, number);
        for gauge in ["in_flight_bytes", "receiving_reports", "in_flight_reports", "long_streams"] {
            collector.until(&format!("hopscope_grpc_{gauge}"), 0).await;
        }
    }
    assert_eq!(report(&channel, batch("pay", 1)).await.unwrap().accepted_sequence, 1);
    drop(channel);
    collector.stop().await;
}

#[tokio::test]
async fn a_cancelled_call_is_released() {
    let collector = Collector::start(&[]).await;
    let channel = collector.client().await;
    let call = tokio::spawn(stall(channel.clone(), REPORT, 100_000, 50_000));
    collector.until("hopscope_grpc_in_flight_bytes", 50_005).await;
    call.abort();
    collector.until("hopscope_grpc_in_flight_bytes", 0).await;
    collector.until("hopscope_grpc_receiving_reports", 0).await;
    drop(channel);
    collector.stop().await;
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_for_each_connection() {
    let collector = Collector::start(&["--connection-bytes-in-flight-max", "4096"]).await;
    let (big, small) = (collector.client().await, collector.client().await);
    let status = send(&big, Bytes::from(vec![0; 5_000])).await;
    assert_eq!(
        (status.code(), collector.rejected("bytes").await),
        (Code::ResourceExhausted, 1),
        "{status:?}"
    );
    assert_eq!(report(&small, batch("pay", 1)).await.unwrap().accepted_sequence, 1);
    assert_eq!(report(&big, batch("pay", 2)).await.unwrap().accepted_sequence, 2);
    drop((big, small));
    collector.stop().await;
}

#[tokio::test]
async fn calls_without_a_message_leave_permits_for_complete_reports() {
    let collector = Collector::start(&[
        "--connection-reports-in-flight-max",
        "1",
        "--reports-in-flight-max",
        "1",
        "--reports-receiving-max",
        "4",
    ])
    .await;
    let known = collector.client().await;
    assert_eq!(report(&known, batch("pay", 1)).await.unwrap().accepted_sequence, 1);
    let mut silent = Vec::new();
    for number in 1..=3 {
        let channel = collector.client().await;
        silent.push((tokio::spawn(stall(channel.clone(), REPORT, 100, 50)), channel));
        collector.until("hopscope_grpc_receiving_reports", number).await;
    }
    let unknown = collector.client().await;
    let status = report(&unknown, batch("pay", 2)).await.unwrap_err();
    assert_eq!((status.code(), collector.rejected("busy").await), (Code::ResourceExhausted, 1), "{status:?}");
    assert_eq!(report(&known, batch("pay", 2)).await.unwrap().accepted_sequence, 2);
    for (call, _) in &silent {
        call.abort();
    }
    collector.until("hopscope_grpc_receiving_reports", 0).await;
    assert_eq!(report(&unknown, batch("pay", 3)).await.unwrap().accepted_sequence, 3);
    drop((known, unknown, silent));
    collector.stop().await;
}

#[tokio::test]
async fn a_flood_of_control_frames_ends_its_connection_only() {
    let collector = Collector::start(&[]).await;
    let good = collector.client().await;
    assert_eq!(report(&good, batch("pay", 1)).await.unwrap().accepted_sequence, 1);
    let ping = b"\0\0\x08\x06\0\0\0\0\0hopscope";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    for (number, frame) in (1..).zip([&ping[..], &settings[..]]) {
        let mut flood = TcpStream::connect(collector.grpc).await.unwrap();
        flood.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        // The server may close before the last frame.
        let _ = flood.write_all(&[settings, &frame.repeat(1_000)[..]].concat()).await;
        assert!(closes(flood).await);
        collector.until("hopscope_grpc_connections_rejected_total{reason=\"flood\"}", number).await;
    }
    assert_eq!(report(&good, batch("pay", 2)).await.unwrap().accepted_sequence, 2);
    drop(good);
    collector.stop().await;
}

#[tokio::test]
async fn the_rate_is_bounded_for_each_connection_and_in_total() {
    for (option, others) in [("--connection-reports-per-second-max", 2), ("--reports-per-second-max", 1)] {
        let collector = Collector::start(&[option, "1"]).await;
        let mut accepted = 0;
        for _ in 0..2 {
            let channel = collector.client().await;
            for sequence in 1..=3 {
                match report(&channel, batch("pay", sequence)).await {
                    Ok(_) => accepted += 1,
                    Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}"),
                }
            }
        }
        // A pause of the machine for a second allows one more.
        let rejected = collector.rejected("rate").await;
        assert!(
            (others..=others + 2).contains(&accepted) && accepted + rejected == 6,
            "{option}: {accepted}, {rejected}"
        );
        collector.stop().await;
    }
}

#[tokio::test]
async fn connections_are_bounded_in_total_and_for_each_address() {
    for (option, reason) in [("--connections-max", "full"), ("--address-connections-max", "address_full")] {
        let collector = Collector::start(&[option, "2"]).await;
        let (first, second) = (collector.client().await, collector.client().await);
        assert_eq!(report(&first, batch("pay", 1)).await.unwrap().accepted_sequence, 1);
        assert_eq!(report(&second, batch("pay", 2)).await.unwrap().accepted_sequence, 2);
        assert!(closes(TcpStream::connect(collector.grpc).await.unwrap()).await);
        assert_eq!(collector.unserved(reason).await, 1);
        drop(first);
        collector.until("hopscope_grpc_open_connections", 1).await;
        let third = collector.client().await;
        assert_eq!(report(&third, batch("pay", 3)).await.unwrap().accepted_sequence, 3);
        drop((second, third));
        collector.stop().await;
    }
}

#[tokio::test]
async fn a_message_of_empty_rows_is_rejected_before_it_uses_memory() {
    let collector = Collector::start(&[]).await;
    let channel = collector.client().await;
    let mut bytes = batch("pay", 1).encode_to_vec();
    // A fold row of two bytes, which decodes to more than a hundred bytes.
    bytes.extend([0x62, 0].repeat(1_000_000));
    let status = send(&channel, bytes.into()).await;
    assert_eq!((status.code(), collector.rejected("too_many").await), (Code::OutOfRange, 1), "{status:?}");
    drop(channel);
    collector.stop().await;
}

#[tokio::test]
async fn an_oversized_header_ends_its_call_only() {
    let collector = Collector::start(&["--header-bytes-max", "1024"]).await;
    let mut channel = collector.client().await;
    let request = http::Request::post(REPORT)
        .header("content-type", "application/grpc")
        .header("x-large", "x".repeat(4_096))
        .body(tonic::body::Body::empty())
        .unwrap();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let answer = channel.call(request).await;
    assert!(answer.is_err() || answer.is_ok_and(|response| response.status() == 431));
    let good = collector.client().await;
    assert_eq!(report(&good, batch("pay", 1)).await.unwrap().accepted_sequence, 1);
    drop((channel, good));
    collector.stop().await;
}
