//! Method `Report`: one batch in, one acknowledgement out.
//!
//! ```text
//! report ─▶ receive (rate, message) ─▶ process (permit, turn) ─▶ submit (intake, authorization, engine)
//! ```
//!
//! Invariant: a call without a complete message takes none of the permits of complete reports.

use super::body_meter::{Meter, MeteredBody};
use super::connection::ConnectionInfo;
use super::{GrpcService, Settings, framing, read_error, turns, unary};
use crate::runtime::engine_handle::PendingAck;
use hopscope_core::engine::Answer;
use hopscope_core::intake::raw_batch::{self, RawBatch};
use hopscope_core::intake::reject::Rejection;
use hopscope_proto::v1::Ack;
use prost::bytes::Bytes;
use std::sync::atomic::Ordering;
use tonic::body::Body;
use tonic::codegen::http;

/// Path of the method.
pub(super) const PATH: &str = "/hopscope.v1.Telemetry/Report";

/// Submitted message.
enum Submitted {
    /// A batch with this sequence, which is acknowledged once it is accepted.
    Batch(PendingAck, u64),
    /// A repeat of the accepted batch with this sequence.
    Duplicate(u64),
}

impl GrpcService {
    /// Answers one call.
    pub(super) async fn report(
        &self,
        request: http::Request<Body>,
        connection: &ConnectionInfo,
    ) -> http::Response<Body> {
        match self.receive(request, connection).await {
            Ok(ack) => unary::response(&ack),
            Err(rejection) => self.reject(&rejection).into_http(),
        }
    }

    /// Reads the message of a call within the limits of its connection, and processes it.
    async fn receive(
        &self,
        request: http::Request<Body>,
        connection: &ConnectionInfo,
    ) -> Result<Ack, Rejection> {
        let has_delivered = connection.has_delivered.load(Ordering::Relaxed);
        let receiving = connection.receiving.acquire_unreserved(1, has_delivered).ok_or(Rejection::Busy)?;
        if !self.allows_message(connection) {
            return Err(Rejection::Rate);
        }
        let meter = Meter::new(connection.bytes.empty());
        let limits = self.limits();
        let body =
            MeteredBody::new(request.into_body(), meter.clone(), Some(limits.server.message_timeout()));
        let message = framing::read_message(body, limits.server.message_bytes_max).await;
        let message = message.map_err(|status| read_error(&status, &meter, &limits))?;
        drop(receiving);
        self.process(message, connection, &limits).await
    }

    /// Submits a message and waits for its acknowledgement.
    async fn process(
        &self,
        message: Bytes,
        connection: &ConnectionInfo,
        limits: &Settings,
    ) -> Result<Ack, Rejection> {
        let _permit = connection.reports.acquire(1).ok_or(Rejection::Busy)?;
        let bytes = message.len() as u64;
        let _turn = self.budgets.turns.wait(&connection.tag, turns::work_of(message.len())).await;
        let (pending, sequence) = match self.submit(&message, connection, limits)? {
            Submitted::Batch(pending, sequence) => (pending, sequence),
            Submitted::Duplicate(sequence) => return Ok(accepted(sequence)),
        };
        match pending.answer().await? {
            Answer::Accepted => {
                self.handle.stats().count_accepted(bytes);
                connection.has_delivered.store(true, Ordering::Relaxed);
                Ok(accepted(sequence))
            }
            Answer::NeedIdentity => Ok(Ack { need_identity: true, ..Ack::default() }),
            Answer::Full(table) => Err(Rejection::Full(table)),
        }
    }

    /// Reads a message and submits its batch. Not a part of the future, which would have the size
    /// of a batch and be copied several times.
    fn submit(
        &self,
        message: &Bytes,
        connection: &ConnectionInfo,
        limits: &Settings,
    ) -> Result<Submitted, Rejection> {
        if self.handle.is_stopping() {
            return Err(Rejection::Stopping);
        }
        let (received_us, accepted) = self.handle.receipt(&limits.server.batch());
        match RawBatch::read(message, &accepted, received_us) {
            Ok(raw) => {
                let sequence = raw.head().sequence;
                Ok(Submitted::Batch(self.handle.submit_from(&connection.peer, raw)?, sequence))
            }
            // An accepted batch stays accepted, although the limits are lower now: its filter would
            // count as dropped what is counted here.
            Err(rejection) => match raw_batch::batch_id(message, &limits.server.batch()) {
                Some((epoch_id, sequence)) if self.handle.is_duplicate(&epoch_id, sequence) => {
                    Ok(Submitted::Duplicate(sequence))
                }
                _ => Err(rejection),
            },
        }
    }
}

fn accepted(sequence: u64) -> Ack {
    Ack { accepted_sequence: sequence, ..Ack::default() }
}
