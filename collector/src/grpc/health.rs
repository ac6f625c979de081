//! `grpc.health.v1.Health`, as Kubernetes, Envoy and load balancers ask it.
//!
//! In: a service's name, and the signal to stop. Out: `SERVING` until the signal, `NOT_SERVING` from then on. Always holds: a
//! watch ends once it has told the end, so that it keeps no connection open; watches count as open streams.

use super::connection::ConnectionInfo;
use crate::runtime::engine_handle::EngineHandle;
use hopscope_core::intake::reject::Rejection;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// What is asked for by name; the empty name is the whole server.
const SERVICES: [&str; 3] = ["", "hopscope.v1.Telemetry", "envoy.service.accesslog.v3.AccessLogService"];
/// A request is one name.
const REQUEST_BYTES_MAX: usize = 1_024;

/// The path of the service.
pub(super) const PREFIX: &str = "/grpc.health.v1.Health/";

/// The service.
#[derive(Clone)]
pub(super) struct Answers {
    state: Arc<EngineHandle>,
    stopping: watch::Receiver<bool>,
}

impl Answers {
    /// `stopping` becomes true when the collector stops.
    pub(super) fn server(state: Arc<EngineHandle>, stopping: watch::Receiver<bool>) -> HealthServer<Self> {
        HealthServer::new(Self { state, stopping }).max_decoding_message_size(REQUEST_BYTES_MAX)
    }

    fn status(&self) -> ServingStatus {
        if *self.stopping.borrow() { ServingStatus::NotServing } else { ServingStatus::Serving }
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for Answers {
    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if !SERVICES.contains(&service.as_str()) {
            return Err(Status::not_found("there is no such service here"));
        }
        Ok(Response::new(response(self.status())))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let connection = request.extensions().get::<Arc<ConnectionInfo>>();
        let Some(held) = connection.and_then(|connection| connection.streams.take(1)) else {
            return Err(super::status(&Rejection::Streams, &self.state));
        };
        let known = SERVICES.contains(&request.get_ref().service.as_str());
        let first = if known { self.status() } else { ServingStatus::ServiceUnknown };
        let mut stopping = self.stopping.clone();
        let (told, stream) = mpsc::channel(2);
        tokio::spawn(async move {
            let _held = held;
            let _ = told.send(Ok(response(first))).await;
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = told.closed() => {}
            }
            if first == ServingStatus::Serving {
                let _ = told.send(Ok(response(ServingStatus::NotServing))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
