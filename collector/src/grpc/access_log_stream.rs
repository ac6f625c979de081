//! `AccessLogService/StreamAccessLogs`: Envoy's access logs, stream by stream.
//!
//! In: a stream of messages that never ends and is never answered. Out: batches for the engine. Always holds: a stream is
//! read as fast as its rate allows, and HTTP/2 holds the rest back at the proxy; a message that has begun arrives in time
//! or the stream ends; what came and was not taken is counted as lost, and in the books of the stream; the book of a stream
//! is closed with it.

use super::body_meter::{Meter, Metered};
use super::connection::ConnectionInfo;
use super::raw_codec::RawDecoder;
use super::{GrpcService, unread};
use hopscope_core::batch::EpochId;
use hopscope_core::engine::Answer;
use hopscope_core::intake::access_log::{Error, Stream};
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::intake::validate;
use hopscope_proto::v1::Batch;
use prost::Message;
use prost::bytes::Bytes;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::codec::Streaming;
use tonic::codegen::http;
use tonic::{Code, Status};

/// The path of the method.
pub(super) const PATH: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// Between two looks whether a stream may go on.
const RATE_PAUSE: Duration = Duration::from_millis(10);
/// What gRPC puts before a message: whether it is compressed, and its length.
const FRAME_HEAD_BYTES: u64 = 5;

impl GrpcService {
    /// Reads one stream to its end.
    pub(super) async fn log(
        self,
        request: http::Request<Body>,
        connection: Arc<ConnectionInfo>,
    ) -> http::Response<Body> {
        let Some(_stream) = connection.streams.take(1) else {
            return self.refuse(&Rejection::Streams).into_http();
        };
        let mut log = Stream::new(random(), format!("envoy~{}", connection.address.ip()));
        let end = self.read_log(&mut log, request.into_body(), &connection).await;
        if let Some(proxy) = log.proxy() {
            let epoch_id = EpochId { proxy: proxy.into(), epoch: log.epoch() };
            self.state.end(&epoch_id, self.state.now_us());
        }
        end.into_http()
    }

    async fn read_log(&self, log: &mut Stream, body: Body, connection: &ConnectionInfo) -> Status {
        let meter = Meter::new(connection.bytes.nothing());
        let body = Metered::new(body, meter.clone(), None);
        let limits = self.limits();
        let size_max = Some(limits.server.message_bytes_max);
        let mut messages = Streaming::new_request(RawDecoder, body, None, size_max);
        let mut stopping = self.stopping.clone();
        loop {
            let next = tokio::select! {
                next = timeout(limits.server.message_timeout(), messages.message()) => next,
                _ = stopping.wait_for(|stopping| *stopping) => return self.refuse(&Rejection::Stopping),
            };
            let message = match next {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => return Status::ok(""),
                Ok(Err(status)) => {
                    if meter.cut().is_none() && status.code() == Code::Unimplemented {
                        return status;
                    }
                    return self.refuse(&unread(&status, &meter, &limits));
                }
                // Silence between two messages is no fault.
                Err(_) if meter.held() == 0 => continue,
                Err(_) => {
                    return self.refuse(&Rejection::Slow(limits.server.message_timeout().as_millis() as u64));
                }
            };
            while !self.may_send(connection) {
                sleep(RATE_PAUSE).await;
            }
            if let Err(refusal) = self.log_message(log, &message, connection).await {
                return self.refuse(&refusal);
            }
            meter.handled(FRAME_HEAD_BYTES + message.len() as u64);
        }
    }

    /// Hands on what one message holds. An error ends the stream.
    async fn log_message(
        &self,
        log: &mut Stream,
        message: &Bytes,
        connection: &ConnectionInfo,
    ) -> Result<(), Rejection> {
        let stats = self.state.stats();
        let now_us = self.state.now_us();
        let mut batches = log.read(message, now_us).map_err(|error| malformed(&error))?;
        let read = loop {
            let batch = match batches.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) => break Ok(()),
                Err(error) => break Err(malformed(&error)),
            };
            let records = batch.records.as_ref().map_or(0, |records| records.edge.len() as u64);
            match self.log_batch(batch, connection, now_us).await {
                Ok(()) => stats.door().logged(records),
                Err(refusal) => {
                    stats.door().lost(records);
                    batches.stream().lost(records);
                    if matches!(refusal, Rejection::IdentityMismatch(_)) {
                        break Err(refusal);
                    }
                    stats.refused(refusal.label());
                }
            }
        };
        stats.door().skipped(&log.take_skipped());
        if read.is_ok() {
            stats.took(message.len() as u64);
        }
        read
    }

    async fn log_batch(
        &self,
        batch: Batch,
        connection: &ConnectionInfo,
        now_us: u64,
    ) -> Result<(), Rejection> {
        // The journal keeps bytes, and those of an access log are not what the next start would read.
        let message = Bytes::from(batch.encode_to_vec());
        let limits = &self.limits().server.batch();
        let report = validate::check(batch, limits, now_us)?;
        let arrival = RawBatch::made(message, report, limits, now_us);
        match self.take(arrival, connection)?.answer().await? {
            Answer::Taken => Ok(()),
            Answer::NeedIdentity => Err(Rejection::Full("proxies")),
            Answer::Full(table) => Err(Rejection::Full(table)),
        }
    }
}

fn malformed(error: &Error) -> Rejection {
    Rejection::Malformed(error.to_string())
}

/// A random number other than 0. The standard library seeds each of its hashers anew.
fn random() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}
