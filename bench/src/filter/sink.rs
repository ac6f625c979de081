//! A gRPC server that receives telemetry and counts the requests in it.
//!
//! In: reports of filters, streams of Envoy's access log. Out: the number of requests in them.
//! Invariant: each request counts once, also when its batch is sent again; a report is acknowledged
//! as a collector acknowledges it.

use anyhow::Context;
use hopscope_mesh::raw_codec::RawCodec;
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;
use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::codegen::{Body, BoxFuture, Service, StdError, http};
use tonic::server::{ClientStreamingService, Grpc, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

const REPORT: &str = "/hopscope.v1.Telemetry/Report";
const ACCESS_LOG: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// A running gRPC server.
pub(crate) struct Sink {
    address: SocketAddr,
    received: Arc<Received>,
    _tasks: JoinSet<()>,
}

/// Counts of the received telemetry.
#[derive(Debug, Default)]
struct Received {
    requests: AtomicU64,
    messages: AtomicU64,
    /// Epochs and sequences of counted batches.
    batches: Mutex<HashSet<(u64, u64)>>,
}

impl Sink {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to bind the sink")?;
        let address = listener.local_addr()?;
        let received = Arc::new(Received::default());
        let service = SinkService(Arc::clone(&received));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let server = tonic::transport::Server::builder();
            // The server ends with the runtime; until then its listener does not fail.
            let _ = server.serve_with_incoming(service, TcpIncoming::from(listener)).await;
        });
        Ok(Self { address, received, _tasks: tasks })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests received so far.
    pub(crate) fn requests(&self) -> u64 {
        self.received.requests.load(Ordering::Relaxed)
    }

    /// Messages received so far.
    pub(crate) fn messages(&self) -> u64 {
        self.received.messages.load(Ordering::Relaxed)
    }
}

impl Received {
    fn report(&self, message: Bytes) -> Result<Bytes, Status> {
        let batch = v1::Batch::decode(message).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let sequence = batch.sequence;
        let new = self.batches.lock().unwrap_or_else(PoisonError::into_inner).insert((batch.epoch, sequence));
        if new {
            let records = batch.records.map_or(0, |records| records.edge.len() as u64);
            self.add(records + batch.folds.iter().map(|fold| fold.count).sum::<u64>());
        }
        Ok(v1::Ack { accepted_sequence: sequence, ..v1::Ack::default() }.encode_to_vec().into())
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

/// `envoy.service.accesslog.v3.StreamAccessLogsMessage`, reduced to the fields that count entries.
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
struct SinkService(Arc<Received>);

impl UnaryService<Bytes> for SinkService {
    type Response = Bytes;
    type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        std::future::ready(self.0.report(request.into_inner()).map(Response::new))
    }
}

impl ClientStreamingService<Bytes> for SinkService {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let received = Arc::clone(&self.0);
        Box::pin(async move {
            let mut stream = request.into_inner();
            while let Some(message) = stream.message().await? {
                received.access_log(message)?;
            }
            // `StreamAccessLogsResponse` has no fields.
            Ok(Response::new(Bytes::new()))
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
                REPORT => Grpc::new(RawCodec).unary(service, request).await,
                ACCESS_LOG => Grpc::new(RawCodec).client_streaming(service, request).await,
                path => Status::unimplemented(format!("no method {path}")).into_http(),
            })
        })
    }
}
