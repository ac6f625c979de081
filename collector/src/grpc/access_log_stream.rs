//! Method `StreamAccessLogs`: Envoy's access logs.
//!
//! In: a long-lived stream of messages without answers. Out: batches for the engine. Invariant: a
//! stream is read at its rate, and takes turns with other connections after each batch; HTTP/2 flow
//! control holds the rest back at the proxy. A message
//! that has begun arrives in time, or the stream ends. Rejected entries are counted as lost, here
//! and in the ledger of the stream. The epoch of a stream ends with the stream.

use super::body_meter::{Meter, MeteredBody};
use super::connection::ConnectionInfo;
use super::framing::{Frames, HEAD_BYTES, next_message};
use super::{GrpcService, read_error, turns};
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
use tokio::time::sleep;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Code, Status};

/// Path of the method.
pub(super) const PATH: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// Interval of the checks whether the rate allows the next message.
const RATE_PAUSE: Duration = Duration::from_millis(10);
/// Work of a part of a message whose entries were all skipped, in units of
/// [`Turns`](super::turns::Turns).
const SKIPPED_WORK: u64 = 4_096;

impl GrpcService {
    /// Reads one stream to its end.
    pub(super) async fn log(
        self,
        request: http::Request<Body>,
        connection: Arc<ConnectionInfo>,
    ) -> http::Response<Body> {
        let Some(_permit) = connection.streams.acquire(1) else {
            return self.reject(&Rejection::Streams).into_http();
        };
        let mut log = Stream::new(random(), format!("envoy~{}", connection.address.ip()));
        let end = self.read_log(&mut log, request.into_body(), &connection).await;
        if let Some(proxy) = log.proxy() {
            let epoch_id = EpochId { proxy: proxy.into(), epoch: log.epoch() };
            self.handle.end_epoch(epoch_id);
        }
        end.into_http()
    }

    /// Reads messages until the stream ends, and returns the status of the end.
    async fn read_log(&self, log: &mut Stream, body: Body, connection: &ConnectionInfo) -> Status {
        let meter = Meter::new(connection.bytes.empty());
        let mut body = MeteredBody::new(body, meter.clone(), None);
        let limits = self.limits();
        let mut frames = Frames::new(limits.server.message_bytes_max);
        let mut stopping = self.stopping.clone();
        loop {
            let next = tokio::select! {
                next = next_message(&mut body, &mut frames, limits.server.message_timeout()) => next,
                _ = stopping.wait_for(|stopping| *stopping) => return self.reject(&Rejection::Stopping),
            };
            let message = match next {
                Ok(Some(message)) => message,
                Ok(None) => return Status::ok(""),
                Err(status) if meter.cut().is_none() && status.code() == Code::Unimplemented => {
                    return status;
                }
                Err(status) => return self.reject(&read_error(&status, &meter, &limits)),
            };
            while !self.allows_message(connection) {
                sleep(RATE_PAUSE).await;
            }
            if let Err(rejection) = self.log_message(log, &message, connection).await {
                return self.reject(&rejection);
            }
            meter.release((HEAD_BYTES + message.len()) as u64);
        }
    }

    /// Submits the batches of one message. An error ends the stream.
    async fn log_message(
        &self,
        log: &mut Stream,
        message: &Bytes,
        connection: &ConnectionInfo,
    ) -> Result<(), Rejection> {
        let stats = self.handle.stats();
        let now_us = self.handle.now_us();
        let mut batches = log.read(message, now_us).map_err(|error| malformed(&error))?;
        let read = loop {
            let work = turns::log_work_of(message.len());
            let _turn = self.budgets.turns.wait(&connection.tag, work).await;
            let batch = match batches.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) if batches.is_at_end() => break Ok(()),
                Ok(None) => {
                    connection.tag.charge(SKIPPED_WORK);
                    continue;
                }
                Err(error) => break Err(malformed(&error)),
            };
            let records = batch.records.as_ref().map_or(0, |records| records.edge.len() as u64);
            connection.tag.charge(records.saturating_mul(turns::LOG_ENTRY_WORK));
            match self.log_batch(batch, connection, now_us).await {
                Ok(()) => stats.grpc().count_log_entries(records),
                Err(rejection) => {
                    stats.grpc().count_lost_entries(records);
                    batches.stream().lost(records);
                    if matches!(rejection, Rejection::IdentityMismatch(_)) {
                        break Err(rejection);
                    }
                    stats.count_rejected(rejection.label());
                }
            }
        };
        stats.grpc().count_skipped_entries(&log.take_skipped());
        if read.is_ok() {
            stats.count_accepted(message.len() as u64);
        }
        read
    }

    async fn log_batch(
        &self,
        batch: Batch,
        connection: &ConnectionInfo,
        now_us: u64,
    ) -> Result<(), Rejection> {
        // The journal stores batches, so the entries are encoded as one.
        let message = Bytes::from(batch.encode_to_vec());
        let (_, limits) = &self.handle.receipt(&self.limits().server.batch());
        let batch = validate::check(batch, limits, now_us)?;
        let raw = RawBatch::from_batch(message, batch, limits, now_us);
        match self.handle.submit_from(&connection.peer, raw)?.answer().await? {
            Answer::Accepted => Ok(()),
            Answer::NeedIdentity => Err(Rejection::Full("proxies")),
            Answer::Full(table) => Err(Rejection::Full(table)),
        }
    }
}

fn malformed(error: &Error) -> Rejection {
    Rejection::Malformed(error.to_string())
}

/// Returns a random number other than 0: the standard library seeds each hasher at random.
fn random() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}
