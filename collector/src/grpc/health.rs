//! Service `grpc.health.v1.Health`, for Kubernetes, Envoy and load balancers.
//!
//! In: the name of a service, and the signal to stop. Out: `SERVING` until the signal, then
//! `NOT_SERVING`. Invariant: a watch ends after `NOT_SERVING`, so that it keeps no connection open;
//! watches count as long-lived streams.

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

/// Names of services; the empty name is the whole server.
const SERVICES: [&str; 3] = ["", "hopscope.v1.Telemetry", "envoy.service.accesslog.v3.AccessLogService"];
/// Limit on a request, which holds one name.
const REQUEST_BYTES_MAX: usize = 1_024;

/// Prefix of the paths of the service.
pub(super) const PREFIX: &str = "/grpc.health.v1.Health/";

/// Health service.
#[derive(Clone)]
pub(super) struct HealthService {
    handle: Arc<EngineHandle>,
    stopping: watch::Receiver<bool>,
}

impl HealthService {
    /// Returns the service. `stopping` becomes true when the collector stops.
    pub(super) fn server(handle: Arc<EngineHandle>, stopping: watch::Receiver<bool>) -> HealthServer<Self> {
        HealthServer::new(Self { handle, stopping }).max_decoding_message_size(REQUEST_BYTES_MAX)
    }

    fn status(&self) -> ServingStatus {
        if *self.stopping.borrow() { ServingStatus::NotServing } else { ServingStatus::Serving }
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if !SERVICES.contains(&service.as_str()) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(response(self.status())))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let connection = request.extensions().get::<Arc<ConnectionInfo>>();
        let Some(permit) = connection.and_then(|connection| connection.streams.acquire(1)) else {
            return Err(super::status(&Rejection::Streams, &self.handle));
        };
        let known = SERVICES.contains(&request.get_ref().service.as_str());
        let first = if known { self.status() } else { ServingStatus::ServiceUnknown };
        let mut stopping = self.stopping.clone();
        let (statuses, stream) = mpsc::channel(2);
        tokio::spawn(async move {
            let _permit = permit;
            let _ = statuses.send(Ok(response(first))).await;
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = statuses.closed() => {}
            }
            if first == ServingStatus::Serving {
                let _ = statuses.send(Ok(response(ServingStatus::NotServing))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
