//! The gRPC door.
//!
//! In: `hopscope.v1.Telemetry/Report` calls. Out: checked [`Report`]s for the pipeline, and
//! acknowledgements. Always holds: a call is answered with an `Ack` when the collector answers for the batch, and with a
//! status that fits the contract when not; every refusal is counted by reason; at most `reports_in_flight_max` calls hold
//! memory at a time, each at most `message_bytes_max`.

pub mod check;
pub mod refusal;
mod in_flight;
mod raw;

use crate::pipeline::Answer;
use crate::report::Report;
use crate::state::State;
use check::Limits;
use hopscope_proto::v1;
use in_flight::InFlight;
use prost::Message;
use prost::bytes::Bytes;
use raw::RawCodec;
use refusal::{Advice, Refusal};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use tonic::codegen::{Body, BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Request, Response, Status};

const REPORT: &str = "/hopscope.v1.Telemetry/Report";

/// What the door lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorLimits {
    /// Size of one message.
    pub message_bytes_max: usize,
    /// Calls at a time.
    pub reports_in_flight_max: usize,
    /// What one batch may hold.
    pub batch: Limits,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self { message_bytes_max: 4 << 20, reports_in_flight_max: 256, batch: Limits::default() }
    }
}

/// The service; clones share everything.
#[derive(Clone)]
pub struct Door {
    state: Arc<State>,
    limits: Arc<RwLock<Arc<DoorLimits>>>,
    in_flight: InFlight,
}

impl Door {
    /// A door to this state.
    #[must_use]
    pub fn new(state: Arc<State>, limits: DoorLimits) -> Self {
        Self { state, limits: Arc::new(RwLock::new(Arc::new(limits))), in_flight: InFlight::default() }
    }

    /// Other limits from now on, for every clone. A call that is open keeps those that it began with.
    pub fn limit(&self, limits: DoorLimits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    fn limits(&self) -> Arc<DoorLimits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, refusal: &Refusal) -> Status {
        self.state.stats().refused(refusal.label());
        let code = match refusal.advice() {
            Advice::GiveUp => Code::InvalidArgument,
            Advice::MakeSmaller => Code::OutOfRange,
            Advice::Upgrade => Code::FailedPrecondition,
            Advice::ComeBack => Code::ResourceExhausted,
            Advice::GoElsewhere => Code::Unavailable,
        };
        Status::new(code, refusal.to_string())
    }

    /// Answers one message. The slow part, reading it, holds no lock.
    async fn answer(&self, message: Bytes, limits: &DoorLimits) -> Result<v1::Ack, Refusal> {
        if self.state.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let now_us = self.state.now_us();
        let report = read(&message, &limits.batch, now_us)?;
        let (bytes, sequence) = (message.len() as u64, report.sequence);
        match self.state.take(message, report, now_us).await? {
            Answer::Taken => {
                self.state.stats().took(bytes);
                Ok(v1::Ack { accepted_sequence: sequence, ..v1::Ack::default() })
            }
            Answer::WhoAreYou => Ok(v1::Ack { need_identity: true, ..v1::Ack::default() }),
            Answer::Full(table) => Err(Refusal::Full(table)),
        }
    }

    async fn call<B>(self, request: http::Request<B>) -> http::Response<tonic::body::Body>
    where
        B: Body + Send + 'static,
        B::Error: Into<StdError> + Send + 'static,
    {
        if request.uri().path() != REPORT {
            let text =
                format!("no method {}; this is a collector of hopscope.v1.Telemetry", request.uri().path());
            return Status::unimplemented(text).into_http();
        }
        let limits = self.limits();
        let Some(_place) = self.in_flight.enter(limits.reports_in_flight_max) else {
            return self.refuse(&Refusal::Busy(limits.reports_in_flight_max)).into_http();
        };
        let read = Arc::new(AtomicBool::new(false));
        let handler = Handler { door: self.clone(), limits: limits.clone(), read: read.clone() };
        let mut grpc =
            Grpc::new(RawCodec).apply_max_message_size_config(Some(limits.message_bytes_max), None);
        let response = grpc.unary(handler, request).await;
        if read.load(Ordering::Relaxed) {
            return response;
        }
        // The message never came through whole, and the library has answered in our place.
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() == Code::OutOfRange => {
                self.refuse(&Refusal::TooLarge(limits.message_bytes_max)).into_http()
            }
            Some(status) if status.code() != Code::Unimplemented => {
                self.refuse(&Refusal::Malformed(status.message().to_owned())).into_http()
            }
            _ => response,
        }
    }
}

/// Reads and checks one message. `now_us`: when it was received, microseconds since the Unix epoch.
///
/// # Errors
///
/// The first [`Refusal`] found.
pub fn read(message: &[u8], limits: &Limits, now_us: u64) -> Result<Report, Refusal> {
    let batch = v1::Batch::decode(message).map_err(|e| Refusal::Malformed(e.to_string()))?;
    check::check(batch, limits, now_us)
}

/// One call, once its message is there.
struct Handler {
    door: Door,
    limits: Arc<DoorLimits>,
    read: Arc<AtomicBool>,
}

impl UnaryService<Bytes> for Handler {
    type Response = v1::Ack;
    type Future = BoxFuture<Response<v1::Ack>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        self.read.store(true, Ordering::Relaxed);
        let (door, limits) = (self.door.clone(), self.limits.clone());
        Box::pin(async move {
            let answer = door.answer(request.into_inner(), &limits).await;
            answer.map(Response::new).map_err(|refusal| door.refuse(&refusal))
        })
    }
}

impl<B> Service<http::Request<B>> for Door
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { Ok(Door::call(door, request).await) })
    }
}
