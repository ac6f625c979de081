//! The gRPC door.
//!
//! In: connections with `hopscope.v1.Telemetry/Report`, Envoy's `AccessLogService/StreamAccessLogs` and
//! `grpc.health.v1.Health` calls. Out: [`RawBatch`]s for the engine, and acknowledgements.
//! Always holds: a call is answered with an `Ack` when the collector answers for the batch, and with a status that fits
//! the contract when not; every refusal is counted by reason; what connections, messages and streams hold is bounded in
//! total and for each, so that a slow, broken or hostile client costs the others nothing; with client authorities set, a
//! proxy reports only for the identity in its certificate.

pub mod stats;
pub mod tls;
pub mod listener;
mod connection;
mod quota;
mod body_meter;
mod raw_codec;
mod unary;
mod access_log_stream;
mod health;
pub mod settings;

pub use settings::Settings;

use hopscope_core::engine::Answer;

use crate::runtime::engine_handle::{EngineHandle, PendingAck};
use body_meter::{Cut, Meter, Metered};
use hopscope_core::intake::raw_batch::{self, RawBatch};
use hopscope_proto::v1;
use quota::{Budget, Rate};

use connection::ConnectionInfo;
use hopscope_core::identity::authorize::{PeerIdentity, authorize};
use hopscope_core::intake::reject::{Advice, Rejection};
use prost::bytes::Bytes;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::{Code, Status};
use tonic_health::pb::health_server::HealthServer;

const REPORT: &str = "/hopscope.v1.Telemetry/Report";

/// What became of a message.
enum Handed {
    /// It is handed on; its number, which is acknowledged once it is taken.
    On(PendingAck, u64),
    /// It was taken before.
    Known(v1::Ack),
}

/// What all connections share.
struct Budgets {
    bytes: Arc<Budget>,
    reports: Arc<Budget>,
    streams: Arc<Budget>,
    rate: Rate,
}

/// The service; clones share everything.
#[derive(Clone)]
pub struct GrpcService {
    state: Arc<EngineHandle>,
    limits: Arc<RwLock<Arc<Settings>>>,
    budgets: Arc<Budgets>,
    since: Instant,
    stopping: watch::Receiver<bool>,
    health: HealthServer<health::Answers>,
}

impl GrpcService {
    /// A door to this state. `stopping` becomes true when the collector stops.
    #[must_use]
    pub fn new(state: Arc<EngineHandle>, limits: Settings, stopping: watch::Receiver<bool>) -> Self {
        let stats = state.stats().door();
        let budgets = Arc::new(Budgets {
            bytes: Budget::new(limits.server.bytes_in_flight_max, stats.bytes.clone()),
            reports: Budget::new(limits.server.reports_in_flight_max, stats.reports.clone()),
            streams: Budget::new(limits.server.long_streams_max, stats.streams.clone()),
            rate: Rate::new(limits.server.reports_per_second_max),
        });
        let health = health::Answers::server(state.clone(), stopping.clone());
        let limits = Arc::new(RwLock::new(Arc::new(limits)));
        Self { state, limits, budgets, since: Instant::now(), stopping, health }
    }

    /// Other limits from now on, for every clone. A call that is open keeps those that it began with, and so does a
    /// connection.
    pub fn limit(&self, limits: Settings) {
        self.budgets.bytes.limit(limits.server.bytes_in_flight_max);
        self.budgets.reports.limit(limits.server.reports_in_flight_max);
        self.budgets.streams.limit(limits.server.long_streams_max);
        self.budgets.rate.limit(limits.server.reports_per_second_max);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    fn limits(&self) -> Arc<Settings> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, refusal: &Rejection) -> Status {
        status(refusal, &self.state)
    }

    /// Whether one more message may be handled now, by its connection and in total.
    fn may_send(&self, connection: &ConnectionInfo) -> bool {
        let now_ns = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        connection.may_send() && self.budgets.rate.allows(now_ns)
    }

    /// Answers one message. The slow part, reading it, holds no lock.
    async fn answer(
        &self,
        message: Bytes,
        connection: &ConnectionInfo,
        limits: &Settings,
    ) -> Result<v1::Ack, Rejection> {
        let bytes = message.len() as u64;
        let (taking, sequence) = match self.hand_on(&message, connection, limits)? {
            Handed::On(taking, sequence) => (taking, sequence),
            Handed::Known(ack) => return Ok(ack),
        };
        match taking.answer().await? {
            Answer::Taken => {
                self.state.stats().took(bytes);
                Ok(v1::Ack { accepted_sequence: sequence, ..v1::Ack::default() })
            }
            Answer::NeedIdentity => Ok(v1::Ack { need_identity: true, ..v1::Ack::default() }),
            Answer::Full(table) => Err(Rejection::Full(table)),
        }
    }

    /// Reads one message and hands it on. No task of its own: a report would stand in it, and a task is copied some times.
    fn hand_on(
        &self,
        message: &Bytes,
        connection: &ConnectionInfo,
        limits: &Settings,
    ) -> Result<Handed, Rejection> {
        if self.state.is_stopping() {
            return Err(Rejection::Stopping);
        }
        let now_us = self.state.now_us();
        let arrival = match RawBatch::read(message, &limits.server.batch(), now_us) {
            Ok(arrival) => arrival,
            Err(refusal) => return self.taken_before(message, limits).map(Handed::Known).ok_or(refusal),
        };
        let sequence = arrival.head().sequence;
        Ok(Handed::On(self.take(arrival, connection)?, sequence))
    }

    /// The answer to a batch that is no longer let through, and was taken when it came first: its filter would count as
    /// dropped what is counted here. Its requests have become too old since, or the limits are others.
    fn taken_before(&self, message: &Bytes, limits: &Settings) -> Option<v1::Ack> {
        let (epoch_id, sequence) = raw_batch::name(message, &limits.server.batch())?;
        let is_taken = self.state.engine().ledger().has(&epoch_id, sequence);
        is_taken.then(|| v1::Ack { accepted_sequence: sequence, ..v1::Ack::default() })
    }

    /// Hands a message on, if whoever brings it may.
    fn take(&self, arrival: RawBatch, connection: &ConnectionInfo) -> Result<PendingAck, Rejection> {
        if connection.peer != PeerIdentity::Open {
            let engine = self.state.engine();
            let known = engine.address_book().known(&arrival.head().epoch_id.proxy);
            authorize(&connection.peer, arrival.head(), known, arrival.times().received_us)?;
        }
        self.state.take(arrival)
    }

    async fn report(
        &self,
        request: http::Request<Body>,
        connection: &ConnectionInfo,
    ) -> http::Response<Body> {
        match self.reported(request, connection).await {
            Ok(ack) => unary::reply(&ack),
            Err(refusal) => self.refuse(&refusal).into_http(),
        }
    }

    async fn reported(
        &self,
        request: http::Request<Body>,
        connection: &ConnectionInfo,
    ) -> Result<v1::Ack, Rejection> {
        let _report = connection.reports.take(1).ok_or(Rejection::Busy)?;
        if !self.may_send(connection) {
            return Err(Rejection::Rate);
        }
        let meter = Meter::new(connection.bytes.nothing());
        let limits = self.limits();
        let body = Metered::new(request.into_body(), meter.clone(), Some(limits.server.message_timeout()));
        let message = unary::message(body, limits.server.message_bytes_max).await;
        let message = message.map_err(|status| unread(&status, &meter, &limits))?;
        self.answer(message, connection, &limits).await
    }

    async fn call(
        &self,
        request: http::Request<Body>,
        connection: Arc<ConnectionInfo>,
    ) -> http::Response<Body> {
        match request.uri().path() {
            REPORT if unary::is_compressed(&request) => {
                Status::unimplemented("a batch is not to be compressed: it is compact already").into_http()
            }
            REPORT => self.report(request, &connection).await,
            // Boxed, or every report would be moved about with the room that these need.
            access_log_stream::PATH => Box::pin(self.clone().log(request, connection)).await,
            path if path.starts_with(health::PREFIX) => {
                let mut request = request;
                request.extensions_mut().insert(connection);
                match Box::pin(self.health.clone().call(request)).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            path => {
                let text = format!("no method {path}; this is a collector of hopscope.v1.Telemetry");
                Status::unimplemented(text).into_http()
            }
        }
    }
}

/// Why a message could not be read.
fn unread(status: &Status, meter: &Meter, limits: &Settings) -> Rejection {
    match (meter.cut(), status.code()) {
        (Some(Cut::Slow), _) => Rejection::Slow(limits.server.message_timeout().as_millis() as u64),
        (Some(Cut::NoRoom), _) => Rejection::Bytes,
        (Some(Cut::Aborted), _) => Rejection::Aborted,
        (None, Code::OutOfRange) => Rejection::TooLarge(limits.server.message_bytes_max),
        (None, _) => Rejection::Malformed(status.message().to_owned()),
    }
}

/// The status of the contract; counts the refusal.
fn status(refusal: &Rejection, state: &EngineHandle) -> Status {
    state.stats().refused(refusal.label());
    let code = match refusal.advice() {
        Advice::GiveUp => Code::InvalidArgument,
        Advice::MakeSmaller => Code::OutOfRange,
        Advice::Upgrade => Code::FailedPrecondition,
        Advice::ComeBack => Code::ResourceExhausted,
        Advice::GoElsewhere => Code::Unavailable,
        Advice::AskOperator => Code::PermissionDenied,
    };
    Status::new(code, refusal.to_string())
}
