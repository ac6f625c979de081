//! What takes the telemetry.
//!
//! In: reports of filters and streams of Envoy's access log, over gRPC. Out: how many requests they tell. Always holds: each
//! request is counted once, a report that was sent again included; a report is acknowledged as a collector would.

use anyhow::Context;
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::{Buf, Bytes};
use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Body, BoxFuture, Service, StdError, http};
use tonic::server::{ClientStreamingService, Grpc, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

const REPORT: &str = "/hopscope.v1.Telemetry/Report";
const ACCESS_LOG: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// A running gRPC server.
pub(crate) struct Sink {
    address: SocketAddr,
    told: Arc<Told>,
    _tasks: JoinSet<()>,
}

/// What was told.
#[derive(Debug, Default)]
struct Told {
    requests: AtomicU64,
    messages: AtomicU64,
    /// Epochs and sequences of batches that have been counted.
    batches: Mutex<HashSet<(u64, u64)>>,
}

impl Sink {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to bind the sink")?;
        let address = listener.local_addr()?;
        let told = Arc::new(Told::default());
        let service = SinkService(Arc::clone(&told));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let server = tonic::transport::Server::builder();
            // It ends with the runtime; until then its listener does not fail.
            let _ = server.serve_with_incoming(service, TcpIncoming::from(listener)).await;
        });
        Ok(Self { address, told, _tasks: tasks })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that were told so far.
    pub(crate) fn requests(&self) -> u64 {
        self.told.requests.load(Ordering::Relaxed)
    }

    /// Messages that told them.
    pub(crate) fn messages(&self) -> u64 {
        self.told.messages.load(Ordering::Relaxed)
    }
}

impl Told {
    fn report(&self, message: Bytes) -> Result<v1::Ack, Status> {
        let batch = v1::Batch::decode(message).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let sequence = batch.sequence;
        let fresh =
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).insert((batch.epoch, sequence));
        if fresh {
            let records = batch.records.map_or(0, |records| records.edge.len() as u64);
            self.add(records + batch.folds.iter().map(|fold| fold.count).sum::<u64>());
        }
        Ok(v1::Ack { accepted_sequence: sequence, ..v1::Ack::default() })
    }

    fn access_log(&self, message: Bytes) -> Result<(), Status> {
        let message = AccessLogs::decode(message).map_err(|e| Status::invalid_argument(e.to_string()))?;
        self.add(message.http_logs.map_or(0, |logs| logs.log_entry.len() as u64));
        Ok(())
    }

    fn add(&self, requests: u64) {
        self.requests.fetch_add(requests, Ordering::Relaxed);
        self.messages.fetch_add(1, Ordering::Relaxed);
    }
}

/// `envoy.service.accesslog.v3.StreamAccessLogsMessage`, as far as counting its entries goes.
#[derive(Clone, PartialEq, Message)]
struct AccessLogs {
    #[prost(message, optional, tag = "2")]
    http_logs: Option<HttpLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpLogs {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    log_entry: Vec<Bytes>,
}

#[derive(Debug, Clone)]
struct SinkService(Arc<Told>);

impl UnaryService<Bytes> for SinkService {
    type Response = v1::Ack;
    type Future = std::future::Ready<Result<Response<v1::Ack>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        std::future::ready(self.0.report(request.into_inner()).map(Response::new))
    }
}

impl ClientStreamingService<Bytes> for SinkService {
    // Its answer has no fields, and neither has this one.
    type Response = v1::Ack;
    type Future = BoxFuture<Response<v1::Ack>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let told = Arc::clone(&self.0);
        Box::pin(async move {
            let mut stream = request.into_inner();
            while let Some(message) = stream.message().await? {
                told.access_log(message)?;
            }
            Ok(Response::new(v1::Ack::default()))
        })
    }
}

impl<B> Service<http::Request<B>> for SinkService
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                REPORT => Grpc::new(Raw).unary(service, request).await,
                ACCESS_LOG => Grpc::new(Raw).client_streaming(service, request).await,
                path => Status::unimplemented(format!("no method {path}")).into_http(),
            })
        })
    }
}

/// Messages as bytes in, acknowledgements out.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = v1::Ack;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = v1::Ack;
    type Error = Status;

    fn encode(&mut self, ack: v1::Ack, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        ack.encode(target).map_err(|e| Status::internal(e.to_string()))
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
