//! Unusual requests to the HTTP server.

use super::{Collector, batch};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status line of an answer.
fn status(answer: &str) -> &str {
    answer.split("\r\n").next().unwrap_or_default()
}

#[tokio::test]
async fn a_request_names_one_allowed_host() {
    let collector = Collector::start(&["--http-hosts", "metrics.example"]).await;
    for (hosts, expected) in [
        ("host: 127.0.0.1\r\n", "HTTP/1.1 200 OK"),
        ("host: metrics.example:9464\r\n", "HTTP/1.1 200 OK"),
        ("host: evil.example\r\n", "HTTP/1.1 421 Misdirected Request"),
        ("", "HTTP/1.1 400 Bad Request"),
        ("host: localhost\r\nhost: localhost\r\n", "HTTP/1.1 400 Bad Request"),
    ] {
        let request = format!("GET /api/v1/edges HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        assert_eq!(status(&collector.raw(request.as_bytes()).await), expected, "{hosts}");
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        assert_eq!(status(&collector.raw(request.as_bytes()).await), "HTTP/1.1 200 OK", "{hosts}");
    }
    assert_eq!(collector.sample("hopscope_http_requests_rejected_total{reason=\"host\"}").await, "3");
    collector.stop().await;
}

#[tokio::test]
async fn pipelined_head_requests_read_nothing_of_the_engine() {
    let collector = Collector::start(&[]).await;
    collector.report(batch(1)).await.unwrap();
    let head = "HEAD /api/v1/edges HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
    let last = "HEAD /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let began = Instant::now();
    let answer = collector.raw(format!("{head}{last}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 201);
    assert!(!answer.contains("hopscope_") && !answer.contains("\"edges\""), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    collector.stop().await;
}

#[tokio::test]
async fn slow_clients_are_disconnected_and_counted() {
    let limits = ["--http-head-timeout-ms", "200", "--http-connections-max", "3"];
    let collector = Collector::start(&limits).await;
    let mut slow = TcpStream::connect(collector.http).await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nhost: local").await.unwrap();
    let mut idle = TcpStream::connect(collector.http).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let third = TcpStream::connect(collector.http).await.unwrap();
    let mut refused = TcpStream::connect(collector.http).await.unwrap();
    assert_eq!(refused.read(&mut [0; 64]).await.unwrap_or(0), 0, "the fourth connection is closed");
    for mut stream in [slow, idle, third] {
        let mut answer = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "a connection stays open");
    }
    assert_eq!(collector.sample("hopscope_http_connections_rejected_total{reason=\"full\"}").await, "1");
    assert_ne!(collector.sample("hopscope_http_connections_rejected_total{reason=\"slow\"}").await, "0");
    collector.stop().await;
}

#[tokio::test]
async fn a_reader_that_reads_nothing_leaves_scrapes_for_others() {
    let options = ["--http-scrapes-max", "1", "--http-write-timeout-ms", "500"];
    let collector = Collector::start(&options).await;
    collector.report(batch(1)).await.unwrap();
    // As many pages as fill the buffers of both sockets.
    let mut stuck = TcpStream::connect(collector.http).await.unwrap();
    let scrape = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
    let _ = tokio::time::timeout(Duration::from_secs(2), stuck.write_all(scrape.as_bytes())).await;
    let began = Instant::now();
    while !collector.get("/metrics").await.contains("200 OK") {
        assert!(began.elapsed() < Duration::from_secs(20), "no scrape is answered");
    }
    drop(stuck);
    collector.stop().await;
}
