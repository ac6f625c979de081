//! Access logs of Envoy over gRPC.

use super::certificates::{Authority, Dial, options};
use super::harness::{Collector, now_us};
use hopscope_mesh::raw_codec::RawCodec;
use hopscope_proto::envoy::data::accesslog::v3::{AccessLogCommon, HttpAccessLogEntry};
use hopscope_proto::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use hopscope_proto::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use prost::Message;
use prost::bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const CAPTURE: &[u8] = include_bytes!("../als/envoy-1.40.0.bin");
const PROXY: &str = "sidecar~10.244.0.2~shop-v1-7d9c.shop~shop.svc.cluster.local";

/// Messages of a real Envoy, with the current time. The second stream begins with its own
/// identifier.
fn messages() -> Vec<StreamAccessLogsMessage> {
    let (mut capture, mut messages) = (CAPTURE, Vec::new());
    while let Some((length, rest)) = capture.split_first_chunk::<4>() {
        let (bytes, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        let mut message = StreamAccessLogsMessage::decode(bytes).unwrap();
        match message.log_entries.as_mut().unwrap() {
            LogEntries::HttpLogs(logs) => {
                logs.log_entry.iter_mut().for_each(|entry| now(entry.common_properties.as_mut().unwrap()));
            }
            LogEntries::TcpLogs(logs) => {
                logs.log_entry.iter_mut().for_each(|entry| now(entry.common_properties.as_mut().unwrap()));
            }
        }
        messages.push(message);
        capture = rest;
    }
    messages
}

fn now(common: &mut AccessLogCommon) {
    common.start_time.as_mut().unwrap().seconds = i64::try_from(now_us() / 1_000_000).unwrap();
}

/// Opens a stream; returns the sender of its messages, and the task that returns its status.
fn open(channel: &Channel) -> (mpsc::Sender<Bytes>, tokio::task::JoinHandle<Status>) {
    let (sender, receiver) = mpsc::channel(16);
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    let call = tokio::spawn(async move {
        grpc.ready().await.unwrap();
        let path = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs".parse().unwrap();
        let sent = grpc.client_streaming(Request::new(ReceiverStream::new(receiver)), path, RawCodec).await;
        sent.map_or_else(|status| status, |_| Status::ok("answered"))
    });
    (sender, call)
}

#[tokio::test]
async fn an_envoy_without_the_filter_is_counted() {
    let collector = Collector::start(&["--pending-ms-max", "0", "--message-timeout-ms", "100"]).await;
    let channel = collector.client().await;
    let mut streams = Vec::new();
    for message in messages() {
        if message.identifier.is_some() {
            streams.push(open(&channel));
        }
        streams.last().unwrap().0.send(message.encode_to_vec().into()).await.unwrap();
    }
    collector.until("hopscope_access_log_entries_total", 21).await;
    assert_eq!(collector.sample("hopscope_grpc_long_streams").await, 2);
    collector.until("hopscope_grpc_in_flight_bytes", 0).await;

    let proxies = collector.get("/api/v1/proxies").await;
    let of_proxy = format!("\"proxy\":\"{PROXY}\",\"source\":\"als\"");
    for text in [of_proxy.as_str(), "\"epochs\":2,\"seen\":21,\"delivered\":21"] {
        assert!(proxies.contains(text), "{text} in {proxies}");
    }
    let edges = collector.get("/api/v1/edges").await;
    for text in
        ["\"response_flags\":\"UH\"", "empty.shop.svc.cluster.local", "\"source_workload\":\"shop-v1\""]
    {
        assert!(edges.contains(text), "{text} in {edges}");
    }

    // Silence beyond the message timeout is allowed. The end of a stream ends its epoch, whose
    // totals stay.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(collector.sample("hopscope_ledger_epochs").await, 2);
    for (sender, call) in streams {
        drop(sender);
        call.await.unwrap();
    }
    collector.until("hopscope_ledger_epochs", 0).await;
    assert_eq!(collector.sample("hopscope_ledger_delivered_total").await, 21);
    drop(channel);
    collector.stop().await;
}

/// A proxy in front of the collector sends the streams of all nodes on one connection.
#[tokio::test]
async fn many_nodes_share_one_connection() {
    let collector = Collector::start(&["--pending-ms-max", "0"]).await;
    let channel = collector.client().await;
    let mut streams = Vec::new();
    for node in 0..40 {
        let mut message = messages().remove(0);
        message.identifier.as_mut().unwrap().node.as_mut().unwrap().id = format!("envoy~{node}");
        streams.push(open(&channel));
        streams.last().unwrap().0.send(message.encode_to_vec().into()).await.unwrap();
    }
    collector.until("hopscope_grpc_long_streams", 40).await;
    collector.until("hopscope_ledger_epochs", 40).await;
    assert_eq!(collector.rejected("streams").await, 0);
    for (sender, call) in streams {
        drop(sender);
        call.await.unwrap();
    }
    drop(channel);
    collector.stop().await;
}

#[tokio::test]
async fn entries_that_no_version_knows_are_skipped_and_odd_ones_are_counted() {
    let collector = Collector::start(&["--pending-ms-max", "0"]).await;
    let channel = collector.client().await;
    let mut message = messages().remove(0);
    let Some(LogEntries::HttpLogs(logs)) = &mut message.log_entries else { panic!("no HTTP entries") };
    logs.log_entry.truncate(1);
    let entry = logs.log_entry[0].clone();
    logs.log_entry.resize(4, entry);
    let common = |index: usize, logs: &mut Vec<HttpAccessLogEntry>, change: fn(&mut AccessLogCommon)| {
        change(logs[index].common_properties.as_mut().unwrap());
    };
    common(1, &mut logs.log_entry, |common| common.access_log_type = 15);
    common(2, &mut logs.log_entry, |common| {
        drop(common.custom_tags.insert("x".into(), b"\xff\xfe".to_vec()));
    });
    logs.log_entry[3].response.get_or_insert_default().response_code = Some(99);
    let (sender, call) = open(&channel);
    sender.send(message.encode_to_vec().into()).await.unwrap();
    collector.until("hopscope_access_log_entries_total", 3).await;
    let skipped = "hopscope_access_log_entries_skipped_total{reason=\"unsupported_type\"}";
    collector.until(skipped, 1).await;
    let edges = collector.get("/api/v1/edges").await;
    assert!(edges.contains("\"response_code\":\"invalid\""), "{edges}");
    drop((sender, channel));
    call.await.unwrap();
    collector.stop().await;
}

#[tokio::test]
async fn an_invalid_stream_ends_and_the_next_one_works() {
    let collector = Collector::start(&["--message-bytes-max", "65536"]).await;
    let channel = collector.client().await;
    let mut first = messages().remove(0);
    first.identifier = None;
    let torn = Bytes::from_static(b"\x12\xff");
    let large = Bytes::from(vec![0; 70_000]);
    for (bytes, code, reason) in [
        (Bytes::from(first.encode_to_vec()), Code::InvalidArgument, "malformed"),
        (torn, Code::InvalidArgument, "malformed"),
        (large, Code::OutOfRange, "too_large"),
    ] {
        let before = collector.rejected(reason).await;
        let (sender, call) = open(&channel);
        sender.send(bytes).await.unwrap();
        let status = call.await.unwrap();
        assert_eq!((status.code(), collector.rejected(reason).await), (code, before + 1), "{status:?}");
    }
    let (sender, call) = open(&channel);
    sender.send(messages().remove(0).encode_to_vec().into()).await.unwrap();
    collector.until("hopscope_grpc_reports_total", 1).await;
    drop((sender, channel));
    call.await.unwrap();
    collector.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_collector_stops() {
    let collector = Collector::start(&[]).await;
    let channel = collector.client().await;
    let (sender, call) = open(&channel);
    sender.send(messages().remove(0).encode_to_vec().into()).await.unwrap();
    collector.until("hopscope_grpc_reports_total", 1).await;
    collector.stop().await;
    assert_eq!(call.await.unwrap().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_reports_only_for_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.install(directory.path());
    let options = options(directory.path());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let collector = Collector::start(&options).await;
    for (id, rejected) in [("spiffe://td/ns/shop/sa/shop", 0), ("spiffe://td/ns/shop/sa/web", 1)] {
        let pair = authority.issue(id);
        let channel = Dial::new(&collector, &authority, Some(&pair)).connect().await.unwrap();
        let (sender, call) = open(&channel);
        sender.send(messages().remove(0).encode_to_vec().into()).await.unwrap();
        if rejected == 0 {
            collector.until("hopscope_grpc_reports_total", 1).await;
            drop(sender);
            call.await.unwrap();
        } else {
            assert_eq!(call.await.unwrap().code(), Code::PermissionDenied);
        }
        assert_eq!(collector.rejected("identity_mismatch").await, rejected);
    }
    assert!(collector.sample("hopscope_access_log_entries_lost_total").await > 0);
    collector.stop().await;
}

#[tokio::test]
async fn an_accepted_access_log_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--data-dir", directory.path().to_str().unwrap()];
    let collector = Collector::start(&options).await;
    let channel = collector.client().await;
    let (sender, call) = open(&channel);
    sender.send(messages().remove(0).encode_to_vec().into()).await.unwrap();
    collector.until("hopscope_grpc_reports_total", 1).await;
    let counted = collector.sample("hopscope_ledger_delivered_total").await;
    assert!(counted > 0);
    drop((sender, channel));
    call.await.unwrap();
    collector.stop().await;

    let collector = Collector::start(&options).await;
    assert_eq!(collector.sample("hopscope_ledger_delivered_total").await, counted);
    let proxies = collector.get("/api/v1/proxies").await;
    assert!(proxies.contains("\"source\":\"als\""), "{proxies}");
    collector.stop().await;
}
