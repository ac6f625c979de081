//! gRPC server.
//!
//! In: connections with calls of `hopscope.v1.Telemetry/Report`, Envoy's
//! `AccessLogService/StreamAccessLogs` and `grpc.health.v1.Health`. Out: [`RawBatch`]es for the
//! engine, and acknowledgements. Invariant: a call is answered with an `Ack` when the collector
//! accounts for the batch, else with a status of the contract; every rejection is counted by
//! reason. Connections, messages and streams have limits in total and each, and connections take
//! turns before the engine, so that a slow, broken or hostile client does not affect other clients. With client authorities, a proxy reports only
//! for the identity in its certificate.
//!
//! [`RawBatch`]: hopscope_core::intake::raw_batch::RawBatch

pub mod tls;
pub mod listener;
mod connection;
mod handshakes;
mod control_frames;
mod quota;
mod turns;
mod body_meter;
mod framing;
mod unary;
mod report;
mod access_log_stream;
mod health;
pub mod settings;

pub use settings::Settings;

use crate::runtime::engine_handle::EngineHandle;
use body_meter::{Cut, Meter};
use connection::ConnectionInfo;
use hopscope_core::intake::reject::{Advice, Rejection};
use quota::{Budget, Rate};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::{Code, Status};
use tonic_health::pb::health_server::HealthServer;
use turns::Turns;

/// Budgets that all connections share.
struct Budgets {
    bytes: Arc<Budget>,
    receiving: Arc<Budget>,
    reports: Arc<Budget>,
    streams: Arc<Budget>,
    rate: Rate,
    turns: Arc<Turns>,
}

/// gRPC service; clones share everything.
#[derive(Clone)]
pub struct GrpcService {
    handle: Arc<EngineHandle>,
    limits: Arc<RwLock<Arc<Settings>>>,
    budgets: Arc<Budgets>,
    since: Instant,
    stopping: watch::Receiver<bool>,
    health: HealthServer<health::HealthService>,
}

impl GrpcService {
    /// Returns a service for this engine. `stopping` becomes true when the collector stops.
    #[must_use]
    pub fn new(handle: Arc<EngineHandle>, limits: Settings, stopping: watch::Receiver<bool>) -> Self {
        let stats = handle.stats().grpc();
        let budgets = Arc::new(Budgets {
            bytes: Budget::new(limits.server.bytes_in_flight_max, stats.bytes.clone()),
            receiving: Budget::new(limits.server.reports_receiving_max, stats.receiving.clone()),
            reports: Budget::new(limits.server.reports_in_flight_max, stats.reports.clone()),
            streams: Budget::new(limits.server.long_streams_max, stats.streams.clone()),
            rate: Rate::new(limits.server.reports_per_second_max),
            turns: Arc::default(),
        });
        let health = health::HealthService::server(handle.clone(), stopping.clone());
        let limits = Arc::new(RwLock::new(Arc::new(limits)));
        Self { handle, limits, budgets, since: Instant::now(), stopping, health }
    }

    /// Sets the limits of every clone. Calls in flight and open connections keep the limits of
    /// their start.
    pub fn set_limits(&self, limits: Settings) {
        self.budgets.bytes.set_total(limits.server.bytes_in_flight_max);
        self.budgets.receiving.set_total(limits.server.reports_receiving_max);
        self.budgets.reports.set_total(limits.server.reports_in_flight_max);
        self.budgets.streams.set_total(limits.server.long_streams_max);
        self.budgets.rate.set(limits.server.reports_per_second_max);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    fn limits(&self) -> Arc<Settings> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reject(&self, rejection: &Rejection) -> Status {
        status(rejection, &self.handle)
    }

    /// Whether the rates of the connection and of the server allow one more message now.
    fn allows_message(&self, connection: &ConnectionInfo) -> bool {
        let now_ns = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        connection.allows_message() && self.budgets.rate.allows(now_ns)
    }

    /// Routes a call by its path.
    async fn call(
        &self,
        request: http::Request<Body>,
        connection: Arc<ConnectionInfo>,
    ) -> http::Response<Body> {
        match request.uri().path() {
            report::PATH if unary::is_compressed(&request) => {
                Status::unimplemented("batches are compact and must not be compressed").into_http()
            }
            report::PATH => self.report(request, &connection).await,
            // Boxed, because every report would be moved together with the memory of these calls.
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

/// Reason why a message could not be read.
fn read_error(status: &Status, meter: &Meter, limits: &Settings) -> Rejection {
    match (meter.cut(), status.code()) {
        (Some(Cut::Slow), _) | (None, Code::DeadlineExceeded) => {
            Rejection::Slow(limits.server.message_timeout().as_millis() as u64)
        }
        (Some(Cut::OverBudget), _) => Rejection::Bytes,
        (Some(Cut::Aborted), _) => Rejection::Aborted,
        (None, Code::OutOfRange) => Rejection::TooLarge(limits.server.message_bytes_max),
        (None, _) => Rejection::Malformed(status.message().to_owned()),
    }
}

/// Status of the contract for a rejection; counts the rejection.
fn status(rejection: &Rejection, handle: &EngineHandle) -> Status {
    handle.stats().count_rejected(rejection.label());
    let code = match rejection.advice() {
        Advice::GiveUp => Code::InvalidArgument,
        Advice::MakeSmaller => Code::OutOfRange,
        Advice::Upgrade => Code::FailedPrecondition,
        Advice::ComeBack => Code::ResourceExhausted,
        Advice::GoElsewhere => Code::Unavailable,
        Advice::AskOperator => Code::PermissionDenied,
    };
    Status::new(code, rejection.to_string())
}
